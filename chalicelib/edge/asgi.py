"""One HTTP request as ASGI hands it over, and one answer to it.

    Visit    what was asked, at which address of ours, by which address of theirs
    Body     the request's bytes as they arrive; knows whether all of them were taken
    Answer   status, headers, bytes

An answer given before the body was taken leaves at once and whole; only then is the rest of the body read, for a
short while and to nowhere, because closing with unread bytes would reset the connection and lose the answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from chalicelib.kernel.errors import Invalid, SizeInvalid, TooLarge
from chalicelib.kernel.principal import Principal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]
Run = Callable[..., Awaitable[bool]]

# A client that sends nothing for so long is gone.
SILENT_AFTER_S: Final = 300.0
# What is read of a body that nobody wants, so that its sender gets to see the answer.
LINGER_BYTES: Final = 64 * 1024 * 1024
LINGER_S: Final = 2.0
# A body this small is taken whole before an answer, which keeps the connection open for the next request.
SMALL_BYTES: Final = 64 * 1024
MOST_PARAMETERS: Final = 1000
QUERY_LIMIT_BYTES: Final = 16 * 1024

_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,255}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?", re.ASCII)


class Intake(Protocol):
    """What a host may offer for large bodies (`host.intake`): begin, then take and wait by turns, then close."""

    took: int
    gone: bool

    def begin(self) -> None: ...
    def take(self, declared_bytes: int, sink: Callable[[memoryview], None]) -> bool: ...
    async def wait(self) -> None: ...
    def close(self, declared_bytes: int) -> None: ...


class ClientGone(Exception):
    """The connection ended, or fell silent, before the whole request had come. Nobody is there to answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """fleeting: true now, and not to be remembered though nothing be written."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    fleeting: bool = field(default=False, kw_only=True)


class Visit:
    """One request. Header names are in lower case; a header sent several times is joined by commas.

    principal        who asked, once a write has found out
    raw_request_id   what the answer calls the request
    """

    __slots__ = (
        "headers",
        "method",
        "path",
        "peer",
        "port",
        "principal",
        "raw_headers",
        "raw_path",
        "raw_query",
        "raw_request_id",
        "scope",
    )

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw_path: bytes = scope.get("raw_path") or self.path.encode()
        self.raw_query: bytes = scope["query_string"]
        self.raw_headers: list[tuple[bytes, bytes]] = scope["headers"]
        headers = dict(self.raw_headers)
        if len(headers) != len(self.raw_headers):
            headers = _joined(self.raw_headers)
        self.headers: dict[bytes, bytes] = headers
        server, client = scope.get("server"), scope.get("client")
        self.port: int = (server[1] or 0) if server else 0
        self.peer: str | None = client[0] if client else None
        self.principal: Principal | None = None
        self.raw_request_id = b""

    @property
    def request_id(self) -> str:
        return self.raw_request_id.decode()

    def text(self, name: bytes) -> str:
        """A header's value, "" without it."""
        return self.headers.get(name, b"").decode("latin-1")

    def query(self) -> dict[str, list[str]]:
        """Parameters by name, each with its values in the order sent. Raises Invalid if there are too many."""
        if not self.raw_query:
            return {}
        if len(self.raw_query) > QUERY_LIMIT_BYTES:
            raise Invalid("query", f"a query has at most {QUERY_LIMIT_BYTES} bytes")
        found: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(self.raw_query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
        except ValueError as error:
            raise Invalid("query", f"a query has at most {MOST_PARAMETERS} parameters") from error
        for name, value in pairs:
            found.setdefault(name, []).append(value)
        return found

    @property
    def host(self) -> str:
        """The Host header, "" if it is none that could be a host's name."""
        host = self.text(b"host")
        return host if _HOST.fullmatch(host) else ""


def _joined(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return joined


@dataclass(slots=True)
class Body:
    """declared_bytes: of Content-Length, None without one. taken: nothing more is to come."""

    receive: Receive
    declared_bytes: int | None
    taken: bool
    waits_for_continue: bool = False
    received_bytes: int = field(default=0)
    intake: Intake | None = None

    @classmethod
    def of(cls, visit: Visit, receive: Receive) -> Body:
        """Raises SizeInvalid if Content-Length is no number."""
        length = visit.text(b"content-length")
        if length and not (length.isascii() and length.isdigit() and len(length) <= 18):
            raise SizeInvalid("Content-Length is not a number of bytes")
        declared = int(length) if length else None
        chunked = b"transfer-encoding" in visit.headers
        empty = not chunked and not declared
        body = cls(receive, None if chunked else declared or 0, empty, b"expect" in visit.headers)
        if body.declared_bytes is not None and not body.is_small:
            body.intake = visit.scope.get("extensions", {}).get("crs.intake")
        return body

    @property
    def is_small(self) -> bool:
        return self.declared_bytes is not None and self.declared_bytes <= SMALL_BYTES

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes as they arrive. Raises ClientGone, and SizeInvalid if they are not as many as declared."""
        while not self.taken:
            try:
                async with asyncio.timeout(SILENT_AFTER_S):
                    piece = await self._next()
            except TimeoutError as silent:
                raise ClientGone from silent
            if piece:
                yield piece
        if self.declared_bytes is not None and self.received_bytes != self.declared_bytes:
            raise SizeInvalid(f"Content-Length says {self.declared_bytes} bytes, {self.received_bytes} came")

    async def read(self, limit_bytes: int, what: str) -> bytes:
        """All of it. Raises TooLarge as soon as it is clear that it is longer, ClientGone, SizeInvalid."""
        if self.declared_bytes is not None and self.declared_bytes > limit_bytes:
            raise TooLarge(what, limit_bytes)
        pieces: list[bytes] = []
        async for piece in self.pieces():
            pieces.append(piece)
            if self.received_bytes > limit_bytes:
                raise TooLarge(what, limit_bytes)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _next(self) -> bytes:
        message = await self.receive()
        self.waits_for_continue = False
        if message["type"] != "http.request":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        self.taken = not message.get("more_body", False)
        self.received_bytes += len(piece)
        return piece

    async def pour(self, sink: Callable[[memoryview], None], run: Run) -> None:
        """All of it into `sink`, which runs in threads by `run`. Only with `intake`. Raises ClientGone once what came
        was handed over; no thread uses `sink` any more when this returns or raises."""
        intake, declared_bytes = self.intake, self.declared_bytes
        if intake is None or declared_bytes is None:
            raise TypeError("a body is poured only where the host offers it")
        self.waits_for_continue = False
        intake.begin()
        try:
            while not self.taken:
                more_at_once = await _uninterrupted(run(intake.take, declared_bytes, sink))
                self.received_bytes = intake.took
                self.taken = intake.took == declared_bytes
                if intake.gone:
                    break
                if not more_at_once and not self.taken:
                    async with asyncio.timeout(SILENT_AFTER_S):
                        await intake.wait()
        except TimeoutError as silent:
            raise ClientGone from silent
        finally:
            intake.close(declared_bytes)
        if not self.taken:
            raise ClientGone

    async def discard(self) -> None:
        """Reads on for a short while, to nowhere."""
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(LINGER_S):
                while not self.taken and left > 0:
                    left -= len(await self._next())
        except (TimeoutError, ClientGone):
            return


async def _uninterrupted(work: Awaitable[bool]) -> bool:
    """The outcome of work in a thread; whoever gives up waiting does so only once the thread is done."""
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait((working,))
        raise


async def send_answer(send: Send, body: Body, answer: Answer) -> None:
    """Sends it, and deals with what was not taken of the body."""
    if not body.taken and body.is_small and not body.waits_for_continue:
        await body.discard()
    if body.taken:
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})
        return
    headers = (*answer.headers, (b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    if not body.waits_for_continue:
        await body.discard()
    await send({"type": "http.response.body", "body": b""})
