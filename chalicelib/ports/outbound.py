"""Calls to strangers' servers at addresses that users write down (DESIGN §7): bounded, and never into our own network.

name ─► every address of it is vetted ─► they are pinned: it connects there, TLS is the name's ─► bounded answer

fetch_json   reads a document        post   tells something; of the answer its status counts, and its beginning is kept
get          streams an answer, whatever its status: whoever reads it says how much is enough

A name that has a private address beside a public one is refused whole. Redirects are not followed.
"""

from __future__ import annotations

import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

import httpcore
import httpx

from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import Invalid, Unavailable
from chalicelib.kernel.names import LONGEST_URL
from chalicelib.kernel.settings import Settings

# Who asks waits as long, and holds a worker thread.
LONGEST_S: Final = 5.0
LIMIT_BYTES: Final = 1024 * 1024
USER_AGENT: Final = "crs"
# Of what answers a `post`: enough to see what is wrong.
KEPT_BYTES: Final = 1024
# Of the addresses of one name; enough where one family has no way out.
_MOST_TRIED: Final = 3
# Addresses of IPv6 that lead to one of IPv4: NAT64 (RFC 6052, RFC 8215), 6to4, Teredo.
_TRANSLATED: Final = tuple(ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
# Beside the link-local ones, where Amazon, Google, Alibaba and Oracle answer their machines.
_CREDENTIALS: Final = tuple(
    ip_network(text) for text in ("fd00:ec2::/32", "fd20:ce::254/128", "100.100.100.200/32", "192.0.0.192/32")
)
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}|[0-9a-f:.]{2,45}", re.ASCII)

# What can go wrong between a look-up and an answer.
_FAILURES: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    ssl.SSLError,
    OSError,
)

Resolve = Callable[[str, int], Iterable[str]]


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


class Outbound:
    """
    allow_private   the operator lets calls into private networks, and over plain HTTP
    resolve         host and port → every address of it
    trust           whose certificates are believed; the usual authorities if None
    longest_s       from the look-up of the name to the last byte
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolve: Resolve | None = None,
        trust: ssl.SSLContext | None = None,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._longest_s = longest_s
        self._allow_private = allow_private
        self._resolve = resolve or _look_up
        self._trust = trust

    def fetch_json(self, url: str) -> Any:
        """What an https address answers.

        Raises Invalid naming `url` where it may not be called, Unavailable where no JSON comes in time and size.
        """
        deadline = time.monotonic() + self._longest_s
        wanted, pinned = self._prepared(url, deadline)
        try:
            body = self._fetch(wanted, pinned, deadline)
        except _FAILURES as failed:
            raise Unavailable(f"{wanted.host} did not answer", retry_after_s=60) from failed
        try:
            return strict_json.parse(body, "url")
        except Invalid as malformed:
            raise Unavailable(f"{wanted.host} answered no JSON", retry_after_s=60) from malformed

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Sends the body once, and answers with whatever status came back.

        Raises Invalid naming `url` where it may not be called, Unavailable where no answer comes in time.
        """
        deadline = time.monotonic() + self._longest_s
        wanted, pinned = self._prepared(url, deadline)
        kept = bytearray()
        try:
            with self._call("POST", wanted, pinned, headers, body) as response:
                status = response.status
                with suppress(*_FAILURES):  # The status says what became of it, however its body ends.
                    for piece in response.iter_stream():
                        kept += piece
                        if len(kept) >= KEPT_BYTES:
                            break
                        _left(deadline)
        except _FAILURES as failed:
            raise Unavailable(f"{wanted.host} {_what_failed(failed)}", retry_after_s=60) from failed
        return Answer(status, bytes(kept[:KEPT_BYTES]))

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], longest_s: float | None = None) -> Iterator[Streamed]:
        """The answer of an address, to be read inside the context and bounded there. longest_s: until its last byte.

        Raises Invalid naming `url` where it may not be called, Unavailable where no answer comes, or breaks off.
        """
        deadline = time.monotonic() + (self._longest_s if longest_s is None else longest_s)
        wanted, pinned = self._prepared(url, deadline)
        with ExitStack() as held:
            try:
                response = held.enter_context(self._call("GET", wanted, pinned, headers))
            except _FAILURES as failed:
                raise Unavailable(f"{wanted.host} {_what_failed(failed)}", retry_after_s=60) from failed
            named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            yield Streamed(response.status, named, _pieces(response, wanted.host))

    def vet_url(self, url: str) -> httpx.URL:
        """Raises Invalid naming `url`: what is no https address, and an address of a private network."""
        printable = url.isascii() and url.isprintable() and 0 < len(url) <= LONGEST_URL
        try:
            parsed = httpx.URL(url if printable else "")
        except httpx.InvalidURL as malformed:
            raise Invalid("url", "is not a web address") from malformed
        schemes = ("https", "http") if self._allow_private else ("https",)
        possible = parsed.scheme in schemes and _HOST.fullmatch(parsed.host) and 0 < _port(parsed) <= 65535
        if not possible or parsed.userinfo or parsed.fragment:
            raise Invalid("url", "must be an https address, without a user name")
        try:
            literal = ip_address(parsed.host)
        except ValueError:
            return parsed
        self._vet(literal)
        return parsed

    def _vetted(self, host: str, port: int, deadline: float) -> list[str]:
        """The addresses of the host, after all of them were vetted."""
        texts = _in_time(lambda: list(self._resolve(host, port)), deadline, host)
        addresses = [ip_address(text.partition("%")[0]) for text in texts]
        if not addresses:
            raise Unavailable(f"{host} has no address", retry_after_s=60)
        for address in addresses:
            self._vet(address)
        return [str(address) for address in addresses[:_MOST_TRIED]]

    def _vet(self, address: IPv4Address | IPv6Address) -> None:
        if not may_call(address, allow_private=self._allow_private):
            raise Invalid("url", "leads into a private network, where calls are not allowed")

    def _prepared(self, url: str, deadline: float) -> tuple[httpx.URL, _Pinned]:
        wanted = self.vet_url(url)
        return wanted, _Pinned(self._vetted(wanted.host, _port(wanted), deadline), deadline)

    def _fetch(self, url: httpx.URL, pinned: _Pinned, deadline: float) -> bytes:
        body = bytearray()
        with self._call("GET", url, pinned, {"Accept": "application/json"}) as response:
            encoded = [value for name, value in response.headers if name.lower() == b"content-encoding"]
            if response.status != 200 or any(value.lower() != b"identity" for value in encoded):
                raise Unavailable(f"{url.host} answered with status {response.status}", retry_after_s=60)
            for piece in response.iter_stream():
                body += piece
                if len(body) > LIMIT_BYTES:
                    raise Unavailable(f"{url.host} answered more than {LIMIT_BYTES} bytes", retry_after_s=60)
                _left(deadline)
        return bytes(body)

    @contextmanager
    def _call(
        self, method: str, url: httpx.URL, pinned: _Pinned, headers: Mapping[str, str], body: bytes | None = None
    ) -> Iterator[httpcore.Response]:
        """One request over a connection of its own, which ends with it: nothing is followed, nothing is kept open."""
        if self._trust is None:
            self._trust = httpx.create_ssl_context()
        sent = [*headers.items(), ("Accept-Encoding", "identity"), ("User-Agent", USER_AGENT)]
        with (
            httpcore.ConnectionPool(ssl_context=self._trust, network_backend=pinned) as pool,
            pool.stream(method, str(url), headers=sent, content=body) as response,
        ):
            yield response


def outbound(settings: Settings, longest_s: float = LONGEST_S) -> Outbound:
    return Outbound(allow_private=settings.allow_private_addresses, longest_s=longest_s)


def may_call(address: IPv4Address | IPv6Address, *, allow_private: bool) -> bool:
    """Link-local addresses, and others where clouds keep their machines' credentials, are never called, whatever is
    allowed."""
    never = address.is_link_local or address.is_multicast or address.is_unspecified
    never = never or any(address in network for network in _CREDENTIALS)
    translated = address.version == 6 and (
        address.ipv4_mapped is not None or any(address in network for network in _TRANSLATED)
    )
    if never or translated:
        return False
    old_private = isinstance(address, IPv6Address) and address.is_site_local
    return allow_private or (address.is_global and not address.is_reserved and not old_private)


class _Pinned(httpcore.NetworkBackend):
    """Connects to a vetted address, whatever the name would mean by now; every wait ends at the deadline."""

    def __init__(self, addresses: list[str], deadline: float) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.NetworkStream:
        *others, last = self._addresses
        for at, address in enumerate(others):
            share = _left(self._deadline) / (len(self._addresses) - at)
            try:
                return _Hurried(self._sockets.connect_tcp(address, port, share), self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return _Hurried(self._sockets.connect_tcp(last, port, _left(self._deadline)), self._deadline)


class _Hurried(httpcore.NetworkStream):
    """A stream whose waits add up: who sends one byte at a time is no slower than who sends none."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Hurried(self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _pieces(response: httpcore.Response, host: str) -> Iterator[bytes]:
    """The body. Raises Unavailable where it breaks off: what its reader raises is the reader's own."""
    try:
        yield from response.iter_stream()
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


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.TimeoutException("the deadline has passed")
    return left


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def _in_time(look_up: Callable[[], list[str]], deadline: float, host: str) -> list[str]:
    """The system's resolver knows no deadline: it is left behind in a thread of its own if it does not answer."""
    answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(look_up())
        except (OSError, UnicodeError):
            answers.put([])

    threading.Thread(target=run, daemon=True, name="look-up").start()
    try:
        return answers.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise Unavailable(f"the address of {host} was not found in time", retry_after_s=60) from None


def _port(url: httpx.URL) -> int:
    return url.port if url.port is not None else (443 if url.scheme == "https" else 80)
