"""Bytes from the network into an upload, in constant memory.

    event loop   receive ── receive ── piece 2 full ── waits ── receive …
    thread              append(piece 1) ──────────┘ append(piece 2) …

One piece is gathered while the one before it is hashed and written. When the writer is slower than the network the
loop waits, nothing is received, and the client is held back by its own connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chalicelib.edge.asgi import Body, ClientGone
from chalicelib.kernel.errors import SizeInvalid
from chalicelib.ports.stack import Stack

if TYPE_CHECKING:
    from .service import UploadWriter


def append_all(writer: UploadWriter, pieces: list[bytes]) -> None:
    if pieces:
        writer.append(pieces[0] if len(pieces) == 1 else b"".join(pieces))


async def pour(stack: Stack, body: Body, writer: UploadWriter, expected_bytes: int | None) -> list[bytes]:
    """Appends the body; answers its last pieces, not yet appended, so that the call that ends the upload takes them.

    expected_bytes   as Content-Range has it, None without one
    When the client goes away what came is kept, and ClientGone raised. Raises SizeInvalid, and what `append` raises.
    No thread works on the writer any more when this returns or raises.
    """
    if body.intake is not None:
        await _take_in(stack, body, writer, expected_bytes)
        return []
    held: list[bytes] = []
    held_bytes = 0
    appending: asyncio.Future[None] | None = None
    try:
        async for piece in body.pieces():
            held.append(piece)
            held_bytes += len(piece)
            if expected_bytes is not None and body.received_bytes > expected_bytes:
                raise SizeInvalid(f"Content-Range has {expected_bytes} bytes, more came")
            if held_bytes >= writer.piece_bytes:
                if appending is not None:
                    await asyncio.shield(appending)
                appending = asyncio.ensure_future(stack.write(append_all, writer, held))
                held, held_bytes = [], 0
    except ClientGone:
        if appending is not None:
            await appending
        await stack.write(append_all, writer, held)
        await stack.write(writer.keep)
        raise
    finally:
        if appending is not None:
            await asyncio.wait((appending,))
    if expected_bytes is not None and body.received_bytes != expected_bytes:
        raise SizeInvalid(f"Content-Range has {expected_bytes} bytes, {body.received_bytes} came")
    if appending is not None:
        appending.result()
    return held


async def _take_in(stack: Stack, body: Body, writer: UploadWriter, expected_bytes: int | None) -> None:
    """Where the host hands over the socket itself: receiving, hashing and writing happen in one thread."""
    if expected_bytes is not None and body.declared_bytes != expected_bytes:
        raise SizeInvalid(f"Content-Range has {expected_bytes} bytes, Content-Length {body.declared_bytes}")
    try:
        await body.pour(writer.append, stack.write)
    except ClientGone:
        await stack.write(writer.keep)
        raise
