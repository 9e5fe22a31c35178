"""Large request bodies straight from the socket; beside `sendfile.py`, which reaches inside uvicorn too.

Offers the ASGI extension `crs.intake` on plain connections. `scope["extensions"]["crs.intake"]` takes the place of
`receive` for a body whose length is declared (`edge.asgi.Intake` says how). A thread receives, and hands over what it
received while it is still in the processor's cache; it goes back to the loop as soon as the client has nothing more
to give, so that a slow one holds no thread. Why: on the ordinary way each byte is copied five times, and each 64 KiB
cost a turn of the loop and each piece a change of threads, together twice the CPU of hashing and writing.

Read to its end, the connection goes on as after any other request; left before, it must be closed with the response,
because the parser never saw the rest. `tests/host/test_intake.py` is the contract with uvicorn.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import httptools

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

EXTENSION: Final = "crs.intake"
PIECE_BYTES: Final = 1024 * 1024
# Whoever waits is woken when so much is there, or the rest, or the end.
WAKE_BYTES: Final = 256 * 1024
# How long a thread waits for a client that is about to send more, and how much it takes before others have a turn.
PATIENCE_MS: Final = 5
TURN_BYTES: Final = 16 * 1024 * 1024

Sink = Callable[[memoryview], None]


class Intake:
    """One request's body. `took`: bytes so far. `gone`: the client went away before its end."""

    def __init__(self, connection: HttpToolsProtocol, cycle: RequestResponseCycle) -> None:
        self.took = 0
        self.gone = False
        self._connection = connection
        self._cycle = cycle
        self._socket: socket.socket | None = None
        self._piece = bytearray()

    def begin(self) -> None:
        """Takes the socket over from the loop. `close` gives it back."""
        transport = self._connection.transport
        self._connection.flow.pause_reading()
        if self._cycle.waiting_for_100_continue:
            self._cycle.waiting_for_100_continue = False
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self._cycle.more_body or transport.is_closing():
            # The parser saw the end of the body, and maybe more; or the connection is over.
            self.gone = self._cycle.more_body
            return
        # A copy of the descriptor cannot come to mean another connection.
        self._socket = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        self._socket.setblocking(False)

    def take(self, declared_bytes: int, sink: Sink) -> bool:
        """Blocks for some milliseconds; False: `wait` for more, or nothing more is to come. Runs in a thread.

        sink   gets up to 1 MiB at a time, and has done with it when it returns
        """
        until = min(self.took + TURN_BYTES, declared_bytes)
        # What the parser took from the socket before it was ours, at most some hundred KiB, comes first.
        came, self._cycle.body = self._cycle.body, bytearray()
        while self.took < until and (came or not self.gone):
            if not self._piece:
                self._piece = bytearray(PIECE_BYTES)
            with memoryview(self._piece) as whole, whole[: declared_bytes - self.took] as piece:
                piece[: len(came)] = came
                filled = self._fill(piece, len(came))
                came = bytearray()
                with piece[:filled] as received:
                    if filled:
                        sink(received)
                self.took += filled
                if filled < len(piece):
                    return False
        return self.took < declared_bytes and not self.gone

    def _fill(self, piece: memoryview, filled: int) -> int:
        source = self._socket
        if source is None:
            self.gone = self._cycle.more_body
            return filled
        while filled < len(piece):
            try:
                count = source.recv_into(piece[filled:])
            except BlockingIOError:
                if _more_soon(source, min(WAKE_BYTES, len(piece) - filled)):
                    continue
                return filled
            except ConnectionError:
                count = 0
            if count == 0:
                self.gone = True
                return filled
            filled += count
        return filled

    async def wait(self) -> None:
        """Until there is something to take, or the client is gone."""
        if self._socket is None:
            return
        loop, descriptor = self._connection.loop, self._socket.fileno()
        readable = asyncio.Event()
        loop.add_reader(descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(descriptor)

    def close(self, declared_bytes: int) -> None:
        """Gives the connection back, fit for another request if the body came to its end. Harmless twice."""
        if self._socket is None:
            return
        if self.gone:
            # With reading paused, the transport would never learn of it.
            self._cycle.disconnected = True
            self._connection.transport.abort()
        else:
            # The option belongs to the connection, which goes on with requests of a few bytes.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            if self.took == declared_bytes:
                self._cycle.more_body = False
                self._connection.parser = httptools.HttpRequestParser(self._connection)
        self._socket.close()
        self._socket = None


def _more_soon(source: socket.socket, count: int) -> bool:
    """Whether so much, or the end, comes within the patience of a thread."""
    source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(PATIENCE_MS))
