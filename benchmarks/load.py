"""The load client: one thread, one epoll, any number of keep-alive connections, each working through operations.

One thread because the machine has two cores and the server needs them; epoll rather than blocking threads because the
interpreter lock would otherwise show up in the latencies. Large bodies are read into one buffer or dropped
inside the kernel, never gathered; what the bytes are is checked once before a row begins.

    begin ─► send ─► (socket full: wait for EPOLLOUT) ─► receive ─► answer whole ─► next request of the operation
      ▲                                                                  │
      └─────────── operation done: note its latency, take the next ◄─────┘
"""

import gc
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.wire import Answer, Operation, Refused, Request, Take, body_length

_RECEIVE_BYTES = 256 * 1024
_READ_BYTES = 256 * 1024
"""Small enough to stay in a core's cache, so that reading costs one copy and no more."""
_DROP_BYTES = 8 * 1024 * 1024
_FORGOTTEN = bytearray(_DROP_BYTES)
_STALL_S = 60.0
_ERRORS_ALLOWED = 20
_CHUNKS_END = b"0\r\n\r\n"
_HEAD_END = b"\r\n\r\n"


class LoadFailed(Exception):
    """The row cannot be measured: the server stalled, closed the connection or refused again and again."""


@dataclass
class Outcome:
    """What one run of load saw. Latencies are of whole operations, in nanoseconds; times in seconds."""

    latencies_ns: list[int] = field(default_factory=list)
    elapsed_s: float = 0.0
    client_cpu_s: float = 0.0
    errors: list[str] = field(default_factory=list)


class _Lane:
    """One connection and the operation it is at."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.operation: Operation | None = None
        self.request: Request | None = None
        self.begun_ns = 0
        self._unsent: list[memoryview] = []
        self._received = b""
        self._head_length = 0
        self._body_missing: int | None = 0

    def begin(self, request: Request) -> bool:
        """Sends as much as the socket takes; True when everything is out."""
        self.request = request
        self._received = b""
        self._head_length = 0
        if not request.body:
            sent = self.socket.send(request.head)
            if sent == len(request.head):
                return True
            self._unsent = [memoryview(request.head)[sent:]]
            return False
        self._unsent = [memoryview(request.head), *request.body]
        return self.send_more()

    def send_more(self) -> bool:
        """Goes on sending; True when everything is out."""
        while self._unsent:
            try:
                sent = self.socket.sendmsg(self._unsent)
            except BlockingIOError:
                return False
            while self._unsent and sent >= len(self._unsent[0]):
                sent -= len(self._unsent.pop(0))
            if self._unsent:
                self._unsent[0] = self._unsent[0][sent:]
        return True

    def receive(self) -> Answer | None:
        """The answer once it is whole, None while bytes are missing."""
        request = self.request
        if request is None:
            raise LoadFailed("the server sent bytes nobody asked for, or closed an idle connection")
        if self._head_length and request.take is not Take.KEEP and self._body_missing:
            return self._forget(request)
        try:
            data = self.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return None
        if not data:
            raise LoadFailed(f"the server closed the connection during {request.head.splitlines()[0]!r}")
        self._received = self._received + data if self._received else data
        if not self._head_length:
            end = self._received.find(_HEAD_END)
            if end < 0:
                return None
            self._head_length = end + 4
            length = body_length(request, self._received[:end])
            self._body_missing = None if length is None else length - (len(self._received) - self._head_length)
        elif self._body_missing is not None:
            self._body_missing -= len(data)
        return self._whole(request)

    def _whole(self, request: Request) -> Answer | None:
        missing = self._body_missing
        whole = missing <= 0 if missing is not None else self._received.endswith(_CHUNKS_END)
        if not whole:
            return None
        head = self._received[: self._head_length]
        return Answer(request, int(head[9:12]), head, self._received[self._head_length :])

    def _forget(self, request: Request) -> Answer | None:
        """Takes what has arrived of a body that nobody keeps, with or without copying it out of the kernel."""
        assert self._body_missing is not None
        flags, most = (socket.MSG_TRUNC, _DROP_BYTES) if request.take is Take.DROP else (0, _READ_BYTES)
        try:
            taken = self.socket.recv_into(_FORGOTTEN, min(most, self._body_missing), flags)
        except BlockingIOError:
            return None
        if not taken:
            raise LoadFailed("the server closed the connection in the middle of a body")
        self._body_missing -= taken
        return self._whole(request)


class _Driver:
    """Keeps every lane busy until the time or the number of operations is used up."""

    def __init__(self, make: Callable[[], Operation], seconds: float, most: int | None) -> None:
        self._make = make
        self._seconds = seconds
        self._left = most
        self._poller = select.epoll()
        self._lanes: dict[int, _Lane] = {}
        self._deadline_ns = 0
        self.outcome = Outcome()

    def run(self, address: tuple[str, int], connections: int) -> Outcome:
        """Connects first, then starts the clock; returns when the last begun operation has ended."""
        try:
            for _ in range(connections):
                lane = _Lane(address)
                self._lanes[lane.socket.fileno()] = lane
                self._poller.register(lane.socket.fileno(), select.EPOLLIN)
            cpu_before = time.process_time()
            begun_ns = time.perf_counter_ns()
            self._deadline_ns = begun_ns + int(self._seconds * 1e9)
            busy = sum(self._take_next(lane) for lane in list(self._lanes.values()))
            while busy:
                busy -= self._serve_events()
            self.outcome.elapsed_s = (time.perf_counter_ns() - begun_ns) / 1e9
            self.outcome.client_cpu_s = time.process_time() - cpu_before
            return self.outcome
        finally:
            self._poller.close()
            for lane in self._lanes.values():
                lane.socket.close()

    def _serve_events(self) -> int:
        """Handles what is ready; returns how many lanes have become idle for good."""
        ended = 0
        events = self._poller.poll(_STALL_S)
        if not events:
            raise LoadFailed(f"no answer for {_STALL_S:.0f} s")
        for descriptor, event in events:
            lane = self._lanes[descriptor]
            if event & select.EPOLLOUT and lane.send_more():
                self._poller.modify(descriptor, select.EPOLLIN)
            if event & ~select.EPOLLOUT:
                answer = lane.receive()
                if answer is not None and not self._go_on(lane, answer):
                    self._poller.unregister(descriptor)
                    ended += 1
        return ended

    def _go_on(self, lane: _Lane, answer: Answer) -> bool:
        """Hands the answer to the lane's operation; False when there is nothing left for this lane to do."""
        assert lane.operation is not None
        try:
            request = lane.operation.send(answer)
        except StopIteration:
            self.outcome.latencies_ns.append(time.perf_counter_ns() - lane.begun_ns)
            return self._take_next(lane)
        except Refused as refusal:
            self._note(str(refusal))
            return self._take_next(lane)
        self._send(lane, request)
        return True

    def _take_next(self, lane: _Lane) -> bool:
        lane.request = None
        lane.begun_ns = time.perf_counter_ns()
        if lane.begun_ns >= self._deadline_ns or self._left == 0:
            return False
        if self._left is not None:
            self._left -= 1
        lane.operation = self._make()
        self._send(lane, next(lane.operation))
        return True

    def _send(self, lane: _Lane, request: Request) -> None:
        if not lane.begin(request):
            self._poller.modify(lane.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _note(self, error: str) -> None:
        self.outcome.errors.append(error)
        if len(self.outcome.errors) > _ERRORS_ALLOWED:
            raise LoadFailed(f"refused too often, last: {error}")


def drive(
    address: tuple[str, int],
    connections: int,
    make: Callable[[], Operation],
    seconds: float = 3600.0,
    most: int | None = None,
) -> Outcome:
    """Runs operations on so many connections at once, until the seconds are over or so many were begun.

    make  returns the next operation; called once for each, from one thread
    Raises LoadFailed when the server stalls, closes a connection or keeps refusing.
    """
    gc.collect()
    gc.disable()
    try:
        return _Driver(make, seconds, most).run(address, connections)
    finally:
        gc.enable()
