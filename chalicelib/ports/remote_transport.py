"""Requests to a foreign registry: logged in, redirected, repeated; the answer is somebody else's to read.

    request ─► 401: log in (`remote_login`), once more ─► 3xx of what is read: vetted like the first address
            ─► 429, 5xx, no answer: wait, once more ─► 2xx: the answer · else: refused (`remote_refusals`)

Everything goes through `outbound`. Credentials go to the origin that they belong to, and follow no redirect. What is
streamed to a registry is sent once: whoever streams knows where to go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import httpx

from chalicelib.kernel.errors import Invalid, Refused, Unavailable

from .outbound import Outbound, Streamed
from .remote_login import Login, same_origin
from .remote_refusals import REASON_BYTES, asked_pause_s, refusal
from .remote_tokens import Tokens

SMALL_S: Final = 30.0
ATTEMPTS: Final = 4
# What failed only after so long is not repeated here: whoever asked may have less time than that once more.
_LATE_S: Final = 45.0
_MOST_HOPS: Final = 5
_LONGEST_PAUSE_S: Final = 30.0
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_READING: Final = frozenset({"GET", "HEAD"})
# Of an answer that nobody reads, so that its connection can be kept.
_DRAINED_BYTES: Final = 64 * 1024
_UNREAD_S: Final = 5.0

Body = bytes | Iterable[bytes] | None


@dataclass(frozen=True, slots=True)
class Asking:
    """One request.

    what    for people: `the tags of a/b`
    scopes  what a token has to allow
    """

    method: str
    url: httpx.URL
    what: str
    scopes: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = None
    longest_s: float = SMALL_S

    @property
    def repeatable(self) -> bool:
        return self.body is None or isinstance(self.body, bytes)


@dataclass(frozen=True, slots=True)
class Rate:
    """What a registry lets an address or a login pull in a while, and how much of it is left."""

    limit: int
    remaining: int


class Transport:
    """Of one registry and one login, for many threads. To be closed.

    calls   for addresses that the registry names; home: for its own
    clock   monotonic seconds
    """

    def __init__(
        self,
        origin: httpx.URL,
        calls: Outbound,
        home: Outbound,
        login: Login | None,
        pause: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.origin = origin
        self._root = str(origin).removesuffix("/")
        self.rate: Rate | None = None
        self._opened: list[Outbound] = []
        self._calls = self._kept(calls)
        self._home = self._calls if home is calls else self._kept(home)
        self._tokens = Tokens(origin, self._calls, self._home, login, clock)
        self.pause = pause

    @property
    def host(self) -> str:
        return self.origin.host

    def url(self, path: str) -> httpx.URL:
        """Of something of the registry's own."""
        return httpx.URL(f"{self._root}{path}")

    def close(self) -> None:
        for calls in self._opened:
            calls.close()

    @contextmanager
    def ask(self, asking: Asking, *also: int) -> Iterator[Streamed]:
        """The answer: 2xx, or a status that is named.

        Raises NotFound, Denied, Conflict, Invalid …, and Unavailable where it stays away or says to come back later.
        """
        with ExitStack() as held:
            answer = self._attempts(held, asking, also)
            self._note_rate(answer.headers)
            encoding = answer.headers.get("content-encoding", "identity").lower()
            if encoding != "identity" and asking.method == "GET":
                raise Unavailable(f"{self.host} sends {asking.what} encoded, though asked not to", retry_after_s=60)
            yield answer
            if asking.method != "GET":
                _drain(answer)

    def _attempts(self, held: ExitStack, asking: Asking, also: tuple[int, ...]) -> Streamed:
        failures, challenges = 0, 0
        while True:
            begun = time.monotonic()
            try:
                answer, at_home = self._follow(held, asking)
            except Unavailable as unreachable:
                failures += 1
                if failures == ATTEMPTS or not asking.repeatable or time.monotonic() - begun > _LATE_S:
                    raise
                self.pause(min(2.0**failures, unreachable.retry_after_s))
                continue
            if 200 <= answer.status < 300 or answer.status in also:
                self._tokens.worked(asking.scopes)
                return answer
            refused = self._refused(asking, answer)
            held.close()
            challenge = answer.headers.get("www-authenticate", "")
            if answer.status == 401 and at_home and self._tokens.renew(asking.scopes, challenge, challenges):
                challenges += 1
                if not asking.repeatable:
                    raise Unavailable(f"{self.host} wants a new login; once more", retry_after_s=1)
                continue
            failures += 1
            if not isinstance(refused, Unavailable) or failures == ATTEMPTS or not asking.repeatable:
                raise refused
            asked_s = asked_pause_s(answer.headers)
            if answer.status == 429 and asked_s > _LONGEST_PAUSE_S:
                raise refused
            self.pause(min(float(asked_s), _LONGEST_PAUSE_S) if asked_s else 2.0**failures)

    def _follow(self, held: ExitStack, asking: Asking) -> tuple[Streamed, bool]:
        """The answer after all redirects, and whether it is the registry's own.

        Each address is vetted, and only the registry's own gets its login.
        """
        url = asking.url
        for _ in range(_MOST_HOPS + 1):
            at_home = same_origin(url, self.origin)
            sent = dict(asking.headers)
            if at_home:
                sent |= self._tokens.headers(asking.scopes)
            calls = self._home if at_home else self._calls
            answer = held.enter_context(calls.request(asking.method, url, sent, asking.body, asking.longest_s))
            if answer.status not in _REDIRECTS:
                return answer, at_home
            if asking.method not in _READING:
                raise Invalid("url", f"{self.host} redirects what is sent to it; name the registry that takes it")
            _drain(answer)
            held.close()
            url = _led_to(url, answer.headers.get("location", ""))
        raise Unavailable(f"{self.host} redirects more than {_MOST_HOPS} times", retry_after_s=60)

    def _refused(self, asking: Asking, answer: Streamed) -> Refused:
        body, late = bytearray(), time.monotonic() + _UNREAD_S
        with suppress(Unavailable):  # Why is worth knowing, and no more than that.
            for piece in answer.chunks if asking.method != "HEAD" else ():
                body += piece
                if len(body) > REASON_BYTES or time.monotonic() > late:
                    break
        return refusal(self.host, asking.what, answer.status, answer.headers, bytes(body[:REASON_BYTES]))

    def _note_rate(self, headers: Mapping[str, str]) -> None:
        remaining = headers.get("ratelimit-remaining", "").partition(";")[0]
        limit = headers.get("ratelimit-limit", "").partition(";")[0]
        if all(text.isascii() and text.isdigit() and len(text) < 12 for text in (remaining, limit)):
            self.rate = Rate(int(limit), int(remaining))

    def _kept(self, calls: Outbound) -> Outbound:
        if calls.keeps:
            return calls
        self._opened.append(calls.keeping())
        return self._opened[-1]


class BrokenOff(Unavailable):
    """An answer that had begun."""


def unbroken(answer: Streamed) -> Streamed:
    """The same answer, whose end before its end is told apart from one that never began."""

    def chunks() -> Iterator[bytes]:
        try:
            yield from answer.chunks
        except Unavailable as broken:
            raise BrokenOff(broken.message, broken.retry_after_s) from broken

    return Streamed(answer.status, answer.headers, chunks())


def _drain(answer: Streamed) -> None:
    size, late = answer.headers.get("content-length", ""), time.monotonic() + _UNREAD_S
    if size.isascii() and size.isdigit() and len(size) < 6 and int(size) <= _DRAINED_BYTES:
        with suppress(Unavailable):
            for _ in answer.chunks:
                if time.monotonic() > late:
                    break


def _led_to(url: httpx.URL, location: str) -> httpx.URL:
    """Raises Unavailable where a redirect leads nowhere; whether it may be called is `outbound`'s to say."""
    try:
        return url.join(location) if location else _nowhere(url)
    except httpx.InvalidURL:
        return _nowhere(url)


def _nowhere(url: httpx.URL) -> httpx.URL:
    raise Unavailable(f"{url.host} redirects to nowhere", retry_after_s=60)
