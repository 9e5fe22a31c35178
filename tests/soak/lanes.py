"""Keep-alive connections of the load: one request at a time on each, every answer read whole.

Nothing is parsed that nobody asks for: the client shares two cores with the service that it loads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from benchmarks.wire import Answer, Request, body_length

_HEAD_END: Final = b"\r\n\r\n"
# Status of an answer that never came; the head says why.
CUT_OFF: Final = 0

Answered = Callable[[Answer], None]


class Lane(asyncio.Protocol):
    """One connection. It is free again once `answered` was called; a connection that is lost is made anew."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None
        self._answered: Answered | None = None
        self._received = bytearray()
        self._head_bytes = 0
        self._whole_bytes = 0

    @property
    def open(self) -> bool:
        return self._transport is not None

    def send(self, request: Request, answered: Answered) -> None:
        assert self._transport is not None
        assert self._request is None
        self._request, self._answered = request, answered
        self._received = bytearray()
        self._head_bytes = 0
        self._transport.writelines([request.head, *request.body])

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        request = self._request
        if request is None:
            return
        self._received += data
        if not self._head_bytes:
            end = self._received.find(_HEAD_END)
            if end < 0:
                return
            self._head_bytes = end + len(_HEAD_END)
            length = body_length(request, bytes(self._received[:end]))
            if length is None:
                self._answer(Answer(request, CUT_OFF, b"the answer came in chunks, which no client here expects", b""))
                return
            self._whole_bytes = self._head_bytes + length
        if len(self._received) >= self._whole_bytes:
            head = bytes(self._received[: self._head_bytes])
            self._answer(Answer(request, int(head[9:12]), head, bytes(self._received[self._head_bytes :])))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._request is not None:
            why = f"the connection was closed before the answer: {exc}".encode()
            self._answer(Answer(self._request, CUT_OFF, why, b""))

    def _answer(self, answer: Answer) -> None:
        answered, self._answered, self._request = self._answered, None, None
        assert answered is not None
        answered(answer)


class Lanes:
    """As many connections as are needed at once, up to `most`; what comes beyond waits for one."""

    def __init__(self, port: int, most: int) -> None:
        self._port = port
        self._most = most
        self._made = 0
        self._free: list[Lane] = []
        self._waiting: list[tuple[Request, Answered]] = []

    async def open(self) -> None:
        """Every connection, before the clock starts."""
        for _ in range(self._most):
            self._free.append(await self._connect())

    def send(self, request: Request, answered: Answered) -> None:
        while self._free:
            lane = self._free.pop()
            if lane.open:
                self._start(lane, request, answered)
                return
            asyncio.get_running_loop().create_task(self._replace())
        self._waiting.append((request, answered))

    def close(self) -> None:
        for lane in self._free:
            lane.close()

    async def _connect(self) -> Lane:
        _, lane = await asyncio.get_running_loop().create_connection(Lane, "127.0.0.1", self._port)
        return lane

    async def _replace(self) -> None:
        self._release(await self._connect())

    def _start(self, lane: Lane, request: Request, answered: Answered) -> None:
        def done(answer: Answer) -> None:
            self._release(lane)
            answered(answer)

        lane.send(request, done)

    def _release(self, lane: Lane) -> None:
        if not lane.open:
            asyncio.get_running_loop().create_task(self._replace())
        elif self._waiting:
            self._start(lane, *self._waiting.pop(0))
        else:
            self._free.append(lane)
