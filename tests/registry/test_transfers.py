"""Uploads in constant memory: what is received never runs far ahead of what is written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.edge.asgi import Body, ClientGone
from chalicelib.kernel.errors import SizeInvalid, Unavailable
from chalicelib.ports.stack import Stack
from chalicelib.registry.transfers import append_all, pour
from tests.stacks import embedded_stack

PIECE = 1000


class SlowWriter:
    """Waits for leave before each append, and notes how far the receiver had come by then."""

    piece_bytes = PIECE
    record: Any = None

    def __init__(self, body: Body, refusing: bool = False) -> None:
        self.body = body
        self.held = b""
        self.ahead_bytes: list[int] = []
        self.kept = False
        self.leave = threading.Event()
        self.refusing = refusing

    def append(self, data: bytes | bytearray | memoryview) -> None:
        self.leave.wait(5)
        if self.refusing:
            raise Unavailable
        self.held += bytes(data)
        self.ahead_bytes.append(self.body.received_bytes - len(self.held))

    def keep(self) -> None:
        self.kept = True


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with embedded_stack(tmp_path) as stack:
        yield stack


def body_of(pieces: list[bytes], *, ends: bool = True) -> Body:
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        if not left and not ends:
            return {"type": "http.disconnect"}
        piece = left.pop(0) if left else b""
        return {"type": "http.request", "body": piece, "more_body": bool(left) or not ends}

    return Body(receive, None, taken=False)


def test_receiver_is_at_most_two_pieces_ahead_of_a_slow_writer(stack: Stack) -> None:
    """R4"""
    pieces = [bytes([number]) * 100 for number in range(200)]
    body = body_of(pieces)
    writer: Any = SlowWriter(body)

    async def run() -> None:
        asyncio.get_running_loop().call_later(0.05, writer.leave.set)
        append_all(writer, await pour(stack, body, writer, None))

    asyncio.run(run())
    assert writer.held == b"".join(pieces)
    assert max(writer.ahead_bytes) <= 2 * PIECE


def test_what_came_before_the_client_went_away_is_kept(stack: Stack) -> None:
    """R4"""
    body = body_of([b"x" * 700, b"y" * 700, b"z"], ends=False)
    writer: Any = SlowWriter(body)
    writer.leave.set()
    with pytest.raises(ClientGone):
        asyncio.run(pour(stack, body, writer, None))
    assert writer.held == b"x" * 700 + b"y" * 700 + b"z"
    assert writer.kept


def test_failure_to_write_ends_the_transfer(stack: Stack) -> None:
    body = body_of([b"x" * PIECE] * 5)
    writer: Any = SlowWriter(body, refusing=True)
    writer.leave.set()
    with pytest.raises(Unavailable):
        asyncio.run(pour(stack, body, writer, None))
    assert body.received_bytes <= 3 * PIECE


@pytest.mark.parametrize("expected", [1, 149, 151, 10_000])
def test_other_number_of_bytes_than_the_range_has_is_refused(stack: Stack, expected: int) -> None:
    body = body_of([b"x" * 50] * 3)
    writer: Any = SlowWriter(body)
    writer.leave.set()
    with pytest.raises(SizeInvalid):
        asyncio.run(pour(stack, body, writer, expected))
    assert not writer.kept
