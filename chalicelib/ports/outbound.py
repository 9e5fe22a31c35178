"""Calls to strangers' servers at addresses that users write down (DESIGN §7): bounded, and never into our own network.

name ─► every address of it is vetted ─► they are pinned: it connects there, TLS is the name's ─► bounded answer

fetch_json   reads a document        post   tells something; of the answer its status counts, and its beginning is kept
get          streams an answer, whatever its status: whoever reads it says how much is enough
request      any method, with a body that may be streamed; the answer as of `get`

Redirects are not followed. A call has a connection of its own, unless they are kept (`keeping`): those stay with the
address that was vetted as they were opened.
"""

from __future__ import annotations

import copy
import functools
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self

import httpcore
import httpx

from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import Invalid, TooLarge, Unavailable
from chalicelib.kernel.names import LONGEST_URL
from chalicelib.kernel.settings import Settings

from .outbound_addresses import LONGEST_ADDRESS, Addresses, Resolve, may_call
from .outbound_connections import STALLED_S, Body, Connecting, Deadlines, left

__all__ = ["KEPT_BYTES", "LIMIT_BYTES", "LONGEST_S", "Answer", "Outbound", "Streamed", "may_call", "outbound"]

# Who asks waits as long, and holds a worker thread.
LONGEST_S: Final = 5.0
LIMIT_BYTES: Final = 1024 * 1024
USER_AGENT: Final = "crs"
# Of what answers a `post`: enough to see what is wrong.
KEPT_BYTES: Final = 1024
# Until an answer begins to what is read; what is written may have to be digested first.
_ANSWER_S: Final = 60.0
_READING: Final = frozenset({"GET", "HEAD"})
# Of connections that are kept: so many at once, and so many seconds without a request.
_MOST_CONNECTIONS: Final = 64
_IDLE_S: Final = 20.0
# Bytes a second: who sends fewer, whenever it is waited for, is left.
_SLOWEST: Final = 1024
# Of several headers with one name these go together; of others the last counts.
_LISTED: Final = frozenset({"content-encoding", "link", "www-authenticate"})

# What can go wrong between a look-up and an answer.
_FAILURES: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    ssl.SSLError,
    OSError,
)
# What a connection dies of that its server ended while nothing was asked.
_STALE: Final = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)


@dataclass(frozen=True, slots=True)
class Answer:
    """beginning: of the body, `KEPT_BYTES` at most."""

    status: int
    beginning: bytes


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer as it arrives. headers: their names in lower case; of several with one name the last."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]

    def whole(self, field: str, limit_bytes: int) -> bytes:
        """Raises TooLarge naming the field, as soon as more came."""
        body = bytearray()
        for piece in self.chunks:
            body += piece
            if len(body) > limit_bytes:
                raise TooLarge(field, limit_bytes)
        return bytes(body)


class Outbound:
    """
    allow_private   the operator lets calls into private networks, and over plain HTTP
    resolve         host and port → every address of it
    trust           whose certificates are believed; the usual authorities if None
    longest_s       from the look-up of the name to the last byte
    stalled_s       an answer that has begun may be silent for so long, and drip for so long, and nothing
                    of what is sent be taken
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolve: Resolve | None = None,
        trust: ssl.SSLContext | None = None,
        longest_s: float = LONGEST_S,
        stalled_s: float = STALLED_S,
    ) -> None:
        self._longest_s = longest_s
        self._stalled_s = stalled_s
        self._addresses = Addresses(allow_private=allow_private, resolve=resolve)
        self._trust = trust
        self._connecting = Connecting(self._addresses, stalled_s)
        self._kept: httpcore.ConnectionPool | None = None

    def keeping(self) -> Outbound:
        """The same calls over connections that stay open for the next one to the same origin; for many threads.

        To be closed. One that its server ended meanwhile is opened again, and what was not streamed is asked again.
        """
        kept = copy.copy(self)
        kept._kept = self._pool()
        return kept

    @property
    def keeps(self) -> bool:
        return self._kept is not None

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fetch_json(self, url: str) -> Any:
        """What an https address answers.

        Raises Invalid naming `url` where it may not be called, Unavailable where no JSON comes in time and size.
        """
        wanted = self.vet_url(url)
        with self.request("GET", url, {"Accept": "application/json"}) as answer:
            if answer.status != 200 or answer.headers.get("content-encoding", "identity").lower() != "identity":
                raise Unavailable(f"{wanted.host} answered with status {answer.status}", retry_after_s=60)
            try:
                return strict_json.parse(answer.whole("url", LIMIT_BYTES), "url")
            except TooLarge:
                raise Unavailable(f"{wanted.host} answered more than {LIMIT_BYTES} bytes", retry_after_s=60) from None
            except Invalid as malformed:
                raise Unavailable(f"{wanted.host} answered no JSON", retry_after_s=60) from malformed

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Sends the body once, and answers with whatever status came back.

        Raises Invalid naming `url` where it may not be called, Unavailable where no answer comes in time.
        """
        self.vet_url(url)
        kept = bytearray()
        with self.request("POST", url, headers, body) as answer:
            with suppress(Unavailable):  # The status says what became of it, however its body ends.
                for piece in answer.chunks:
                    kept += piece
                    if len(kept) >= KEPT_BYTES:
                        break
            return Answer(answer.status, bytes(kept[:KEPT_BYTES]))

    def get(
        self, url: str, headers: Mapping[str, str], longest_s: float | None = None
    ) -> AbstractContextManager[Streamed]:
        """The answer of an address, to be read inside the context and bounded there. longest_s: until its last byte.

        Raises Invalid naming `url` where it may not be called, Unavailable where no answer comes, or breaks off.
        """
        return self.request("GET", url, headers, None, longest_s)

    @contextmanager
    def request(
        self,
        method: str,
        url: str | httpx.URL,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None = None,
        longest_s: float | None = None,
    ) -> Iterator[Streamed]:
        """The answer to any method, as of `get`. body: of several chunks, `headers` has to have its Content-Length.

        What the maker of a body raises is raised as it is.
        """
        vetting = self._addresses
        wanted = vetting.vet_url(url, LONGEST_ADDRESS) if isinstance(url, str) else vetting.vet(url, LONGEST_ADDRESS)
        longest_s = self._longest_s if longest_s is None else longest_s
        deadlines = Deadlines(longest_s, _ANSWER_S if method in _READING else longest_s, self._stalled_s)
        sent = body if isinstance(body, bytes) or body is None else Body(body, deadlines)
        with ExitStack() as held:
            try:
                response = self._answer(held, method, wanted, headers, sent, deadlines)
            except _FAILURES as failed:
                if isinstance(sent, Body) and sent.failed is failed:
                    raise
                raise Unavailable(f"{wanted.host} {_what_failed(failed)}", retry_after_s=60) from failed
            deadlines.answered(response.extensions.get("network_stream"))
            yield Streamed(response.status, _named(response.headers), _pieces(response, wanted.host, deadlines))

    def vet_url(self, url: str) -> httpx.URL:
        """Raises Invalid naming `url`: what is no https address, and an address of a private network."""
        return self._addresses.vet_url(url, LONGEST_URL)

    def _answer(
        self,
        held: ExitStack,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        body: bytes | Body | None,
        deadlines: Deadlines,
    ) -> httpcore.Response:
        pool = self._kept or held.enter_context(self._pool())
        sent = [*headers.items(), ("Accept-Encoding", "identity"), ("User-Agent", USER_AGENT)]
        address = httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.raw_path)
        opened = self._connecting.opened

        def asked() -> httpcore.Response:
            content = iter(body) if isinstance(body, Body) else body
            stream = pool.stream(method, address, headers=sent, content=content, extensions=deadlines.extensions)
            return held.enter_context(stream)

        try:
            return asked()
        except _STALE:
            if self._connecting.opened > opened or isinstance(body, Body):
                raise
        return asked()

    def _pool(self) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            ssl_context=self._trust or _usual_trust(),
            network_backend=self._connecting,
            max_connections=_MOST_CONNECTIONS,
            keepalive_expiry=_IDLE_S,
        )


def outbound(settings: Settings, longest_s: float = LONGEST_S) -> Outbound:
    return Outbound(allow_private=settings.allow_private_addresses, longest_s=longest_s)


@functools.cache
def _usual_trust() -> ssl.SSLContext:
    """Reads the certificates of all authorities, which takes a while."""
    return httpx.create_ssl_context()


def _named(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    named: dict[str, str] = {}
    for raw_name, raw in headers:
        name, value = raw_name.decode("latin-1").lower(), raw.decode("latin-1")
        named[name] = f"{named[name]}, {value}" if name in _LISTED and name in named else value
    return named


def _pieces(response: httpcore.Response, host: str, deadlines: Deadlines) -> Iterator[bytes]:
    """The body. Raises Unavailable where it breaks off: what its reader raises is the reader's own."""
    arriving, waited_s, size = response.iter_stream(), 0.0, 0
    try:
        while True:
            begun = time.monotonic()
            piece = next(arriving, b"")
            waited_s, size = waited_s + time.monotonic() - begun, size + len(piece)
            if not piece:
                return
            if waited_s > deadlines.stalled_s and size < waited_s * _SLOWEST:
                raise httpcore.ReadTimeout("it drips")
            left(deadlines.last)
            yield piece
    except _FAILURES as failed:
        raise Unavailable(f"{host} {_what_failed(failed)}", retry_after_s=60) from failed


def _what_failed(failed: BaseException) -> str:
    if isinstance(failed, httpcore.TimeoutException):
        return "did not answer in time"
    if isinstance(failed, ssl.SSLError) or isinstance(failed.__context__, ssl.SSLError):
        return "has no certificate that is believed, or speaks no TLS"
    if isinstance(failed, httpcore.ConnectError):
        return "takes no connection"
    if isinstance(failed, httpcore.ProtocolError):
        return "answered, but not as HTTP"
    return "ended the connection without an answer"
