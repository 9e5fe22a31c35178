"""Zero-copy downloads: with `intake.py`, all that reaches inside uvicorn, whose version the lock pins.

Offers the ASGI extension `crs.sendfile` on plain connections (TLS has to see the bytes). After `http.response.start`
with a `content-length`, an application may send, in place of `http.response.body`,

    {"type": "crs.sendfile", "descriptor": int, "offset": int, "count": int}

`count` bytes of the open file leave from `offset` on, by sendfile(2), and the response is complete. The descriptor
stays the caller's, who closes it once `send` has returned. Like any `send`, it waits for a slow client and returns
quietly when the client is gone; HEAD sends nothing. `tests/host/test_sendfile.py` is the contract with uvicorn.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from . import intake

EXTENSION: Final = "crs.sendfile"
# Below this one read and one write cost less than flushing the head and preparing sendfile (measured on loopback).
COPY_BELOW_BYTES: Final = 64 * 1024
# One call at most; then other connections get their turn.
STRIDE_BYTES: Final = 4 * 1024 * 1024
# Request line and headers together. A token for many repositories is about 12 KB.
HEAD_LIMIT_BYTES: Final = 64 * 1024
# A client that takes nothing for so long is gone.
STALLED_AFTER_S: Final = 300.0


class SendfileCycle(RequestResponseCycle):
    """One request and its response, with one more kind of message to send."""

    owner: SendfileProtocol

    def send(self, message: Any) -> Coroutine[Any, Any, None]:
        if message["type"] == EXTENSION:
            return self._send_file(message["descriptor"], message["offset"], message["count"])
        return RequestResponseCycle.send(self, message)

    async def _send_file(self, descriptor: int, offset: int, count: int) -> None:
        if not self.response_started or self.chunked_encoding is not False:
            raise RuntimeError("crs.sendfile follows http.response.start with a content-length")
        if self.scope["method"] == "HEAD":
            await self._finish(b"")
        elif count < COPY_BELOW_BYTES:
            await self._finish(os.pread(descriptor, count, offset))
        elif count > self.expected_content_length:
            raise RuntimeError("Response content longer than Content-Length")
        elif await self._head_has_left() and await self._stream(descriptor, offset, count):
            self.expected_content_length -= count
            await self._finish(b"")

    async def _finish(self, body: bytes) -> None:
        await RequestResponseCycle.send(self, {"type": "http.response.body", "body": body, "more_body": False})

    async def _head_has_left(self) -> bool:
        """Waits until the transport holds no bytes that belong before the file. False: the client is gone."""
        if self.transport.get_write_buffer_size():
            self.transport.set_write_buffer_limits(high=0)  # pauses now, and resumes when nothing is left
            await self.flow.drain()
            self.transport.set_write_buffer_limits()
        return not self.disconnected and not self.transport.is_closing()

    async def _stream(self, descriptor: int, offset: int, count: int) -> bool:
        """False: the client is gone. A copy of the socket's descriptor cannot come to mean another connection."""
        out = os.dup(self.transport.get_extra_info("socket").fileno())
        end = offset + count
        try:
            while offset < end:
                if self.disconnected or self.transport.is_closing():
                    return False
                try:
                    sent = os.sendfile(out, descriptor, offset, min(STRIDE_BYTES, end - offset))
                except BlockingIOError:
                    await self.owner.writable(out)
                    continue
                if sent == 0:
                    raise RuntimeError("the file is shorter than the response announced")
                offset += sent
                await asyncio.sleep(0)
        except (ConnectionError, TimeoutError):
            self.disconnected = True
            self.transport.abort()
            return False
        finally:
            os.close(out)
        return True


class SendfileProtocol(HttpToolsProtocol):
    """uvicorn's connection; its requests become cycles that know how to send a file."""

    _waiting: asyncio.Future[None] | None = None
    _head_bytes = 0

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        # What separates them counts too, or empty headers would be free.
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_LIMIT_BYTES:
            raise ValueError("the request's head is too long")  # the parser ends, and the connection with 400

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self.scheme == "http":
            cycle.__class__ = SendfileCycle
            cycle.owner = self  # type: ignore[attr-defined]
            offered: dict[str, Any] = {EXTENSION: {}, intake.EXTENSION: intake.Intake(self, cycle)}
            cycle.scope["extensions"] = offered
        super()._start_asgi_task(cycle, app)

    async def writable(self, descriptor: int) -> None:
        """Until the client took some bytes or went away. Raises TimeoutError if it does neither."""
        waiting = self._waiting = self.loop.create_future()
        stalled = self.loop.call_later(STALLED_AFTER_S, _fail, waiting)
        self.loop.add_writer(descriptor, _wake, waiting)
        try:
            await waiting
        finally:
            self.loop.remove_writer(descriptor)
            stalled.cancel()
            self._waiting = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._waiting is not None:
            _wake(self._waiting)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _fail(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_exception(TimeoutError("the client takes no bytes"))
