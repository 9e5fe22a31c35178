"""Connections to strangers' servers: opened to vetted addresses only, and every wait on them ends at a deadline.

The HTTP library hands a request's timeouts on to each connect, read and write. Here they are moments, not durations
(`Deadlines`): waits add up, so that who sends one byte at a time is no slower than who sends none, also on a connection
that is kept for the next request.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import httpcore

from .outbound_addresses import Addresses

# Read at once: large bodies arrive in fewer, larger pieces than the HTTP library asks for.
READ_BYTES: Final = 256 * 1024
# What may come before an answer begins: 1xx responses and its own header, which is bounded more closely yet.
_BEFORE_ANSWER_BYTES: Final = 512 * 1024
# Of an answer that has begun, and of whoever takes nothing of what is sent.
STALLED_S: Final = 60.0
_CONNECT_S: Final = 30.0


class Deadlines:
    """Of one request, as moments on `time.monotonic`: until its last byte, and until its answer begins.

    answer_s    from when the request was sent whole
    stalled_s   how long an answer that has begun may be silent
    """

    def __init__(self, longest_s: float, answer_s: float, stalled_s: float) -> None:
        begun = time.monotonic()
        self.last = begun + longest_s
        connected = min(self.last, begun + _CONNECT_S)
        self._answer_s = answer_s
        self.stalled_s = stalled_s
        self._read_by: dict[str, float] = {"connect": connected, "write": self.last, "pool": longest_s}
        self.sent()

    @property
    def extensions(self) -> dict[str, Any]:
        """For the HTTP library, which looks into them at each step."""
        return {"timeout": self._read_by}

    def sent(self) -> None:
        self._read_by["read"] = min(self.last, time.monotonic() + self._answer_s)

    def answered(self, stream: Any) -> None:
        """The answer has begun: its body may take as long as all of it."""
        self._read_by["read"] = self.last
        if isinstance(stream, _Stream):
            stream.answered(self.stalled_s)


class Body:
    """A request's body that is made as it is sent. failed: what its maker raised, which is no fault of the server's."""

    def __init__(self, chunks: Iterable[bytes], deadlines: Deadlines) -> None:
        self._chunks = chunks
        self._deadlines = deadlines
        self.failed: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except BaseException as failed:
            self.failed = failed
            raise
        self._deadlines.sent()


class Connecting(httpcore.NetworkBackend):
    """Connects to a vetted address, whatever the name would mean a moment later."""

    def __init__(self, addresses: Addresses, stalled_s: float = STALLED_S) -> None:
        self._addresses = addresses
        self._stalled_s = stalled_s
        self._sockets = httpcore.SyncBackend()
        self._threads = threading.local()

    @property
    def opened(self) -> int:
        """Connections that this thread has opened."""
        return getattr(self._threads, "opened", 0)

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.NetworkStream:
        deadline = timeout or 0.0
        self._threads.opened = self.opened + 1
        *others, last = addresses = self._addresses.vetted(host, port, deadline)
        for at, address in enumerate(others):
            share = left(deadline) / (len(addresses) - at)
            try:
                return _Stream(self._sockets.connect_tcp(address, port, share), self._stalled_s)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return _Stream(self._sockets.connect_tcp(last, port, left(deadline)), self._stalled_s)


class _Stream(httpcore.NetworkStream):
    """One connection. timeout, of each of its methods: a moment."""

    def __init__(self, inner: httpcore.NetworkStream, stalled_s: float) -> None:
        self._inner = inner
        self._stalled_s = stalled_s
        self._socket: socket.socket = inner.get_extra_info("socket")
        self._before_answer: float = _BEFORE_ANSWER_BYTES
        self._longest_wait_s = float("inf")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._before_answer <= 0:
            raise httpcore.RemoteProtocolError("no answer comes, and no end of what comes before it")
        try:
            self._socket.settimeout(min(left(timeout or 0.0), self._longest_wait_s))
            data = self._socket.recv(READ_BYTES)
        except TimeoutError as late:
            raise httpcore.ReadTimeout(late) from late
        except OSError as failed:
            raise httpcore.ReadError(failed) from failed
        self._before_answer -= len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._before_answer, self._longest_wait_s = _BEFORE_ANSWER_BYTES, float("inf")
        rest = memoryview(buffer)
        try:
            while rest:
                self._socket.settimeout(min(left(timeout or 0.0), self._stalled_s))
                rest = rest[self._socket.send(rest) :]
        except TimeoutError as late:
            raise httpcore.WriteTimeout(late) from late
        except OSError as failed:
            raise httpcore.WriteError(failed) from failed

    def answered(self, stalled_s: float) -> None:
        self._before_answer, self._longest_wait_s = float("inf"), stalled_s

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, left(timeout or 0.0))
        return _Stream(inner, self._stalled_s)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def left(deadline: float) -> float:
    """Seconds. Raises the HTTP library's own exception where there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise httpcore.TimeoutException("the deadline has passed")
    return seconds
