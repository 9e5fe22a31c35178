"""Requests to a foreign registry: logged in, redirected, repeated; the answer is somebody else's to read.

    request ─► 401: log in (`remote_login`), once more ─► 3xx of what is read: vetted like the first address
            ─► 429, 5xx, no answer: wait, once more ─► 2xx: the answer · else: refused (`remote_refusals`)

Everything goes through `outbound`. Credentials go to the origin that they belong to, and follow no redirect. What is
streamed to a registry is sent once: whoever streams knows where to go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import httpx

from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import Denied, Invalid, Refused, TooLarge, Unavailable

from .outbound import Outbound, Streamed
from .remote_login import CATALOG, Challenge, Login, LoginRefused, is_its_own, same_origin
from .remote_refusals import REASON_BYTES, asked_pause_s, refusal

SMALL_S: Final = 30.0
ATTEMPTS: Final = 4
_TOKEN_BYTES: Final = 1024 * 1024
_LONGEST_TOKEN: Final = 64 * 1024
_MOST_TOKENS: Final = 1000
_MOST_HOPS: Final = 5
_LONGEST_PAUSE_S: Final = 30.0
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_READING: Final = frozenset({"GET", "HEAD"})
# The specification's, where a registry does not say; and how long before its end a token is not used any more.
_TOKEN_S: Final = 60.0
_LONGEST_TOKEN_S: Final = 3600.0
_SPARE_S: Final = 10.0
# For so long a login that was refused is not tried again: registries count such attempts, and lock out who makes many.
_REFUSED_S: Final = 60.0
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
        self._login = login
        self.pause = pause
        self._clock = clock
        self._challenge: Challenge | None = None
        # Scopes → what is sent as Authorization, and until when. One thread fetches it for all.
        self._held: dict[tuple[str, ...], tuple[str, float]] = {}
        self._logging_in = threading.Lock()
        self._refused_until = float("-inf")

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
            if encoding != "identity":
                raise Unavailable(f"{self.host} sends {asking.what} encoded, though asked not to", retry_after_s=60)
            yield answer
            if asking.method != "GET":
                _drain(answer)

    def _attempts(self, held: ExitStack, asking: Asking, also: tuple[int, ...]) -> Streamed:
        failures, challenges = 0, 0
        while True:
            try:
                answer = self._follow(held, asking)
            except Unavailable as unreachable:
                failures += 1
                if failures == ATTEMPTS or not asking.repeatable:
                    raise
                self.pause(min(2.0**failures, unreachable.retry_after_s))
                continue
            if 200 <= answer.status < 300 or answer.status in also:
                return answer
            refused = self._refused(asking, answer)
            held.close()
            if answer.status == 401 and self._challenged(asking, answer, challenges):
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

    def _follow(self, held: ExitStack, asking: Asking) -> Streamed:
        """The answer after all redirects. Each address is vetted, and only the registry's own gets its login."""
        url = asking.url
        for _ in range(_MOST_HOPS + 1):
            at_home = same_origin(url, self.origin)
            sent = dict(asking.headers)
            if at_home:
                sent |= self._authorization(asking.scopes)
            calls = self._home if at_home else self._calls
            answer = held.enter_context(calls.request(asking.method, url, sent, asking.body, asking.longest_s))
            if answer.status not in _REDIRECTS:
                return answer
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

    # Logging in

    def _authorization(self, scopes: tuple[str, ...]) -> Mapping[str, str]:
        """What is sent to the registry itself: from the second request on what its first challenge asked for."""
        known = self._current(scopes)
        if known is None and self._challenge is not None:
            with suppress(Denied):  # It may let anybody do this.
                known = self._log_in(scopes, self._challenge, "")
        return {"Authorization": known} if known else {}

    def _current(self, scopes: tuple[str, ...]) -> str | None:
        text, until = self._held.get(scopes, ("", 0.0))
        return text if text and self._clock() < until else None

    def _challenged(self, asking: Asking, answer: Streamed, before: int) -> bool:
        """Whether it is worth another attempt, with a new login. Raises LoginRefused where nothing at hand answers."""
        if before == 1 and asking.scopes == (CATALOG,) and self._login is not None:
            # Tokens name repositories: some registries list all of them to the password alone.
            self._held[asking.scopes] = (self._login.basic, float("inf"))
            return True
        if before and self._challenge is not None and self._challenge.scheme == "basic":
            raise LoginRefused(f"{self.host} does not know this login", host=self.host)
        if before:
            return False
        sent = self._held.get(asking.scopes, ("", 0.0))[0]
        self._challenge = Challenge.parse(answer.headers.get("www-authenticate", ""))
        self._log_in(asking.scopes, self._challenge, sent)
        return True

    def _log_in(self, scopes: tuple[str, ...], challenge: Challenge, refused: str) -> str:
        """What is to be sent. refused: what was, which is not taken again."""
        with self._logging_in:
            known = self._current(scopes)
            if known is not None and known != refused:
                return known
            text, lasts_s = self._answer_to(challenge, scopes)
            if len(self._held) >= _MOST_TOKENS:
                self._held.clear()
            self._held[scopes] = (text, self._clock() + lasts_s)
            return text

    def _answer_to(self, challenge: Challenge, scopes: tuple[str, ...]) -> tuple[str, float]:
        if challenge.scheme == "basic" and self._login is not None:
            return self._login.basic, float("inf")
        if self._clock() < self._refused_until:
            raise LoginRefused(f"{self.host} does not know this login", host=self.host)
        url = challenge.token_url(*scopes)
        if not url:
            raise LoginRefused(f"{self.host} wants a user name and a password", host=self.host)
        try:
            realm = httpx.URL(url)
        except httpx.InvalidURL:
            raise Unavailable(f"{self.host} gets its tokens from nowhere", retry_after_s=60) from None
        may_see = self._login is not None and is_its_own(url, str(self.origin))
        sent = {"Authorization": self._login.basic} if self._login is not None and may_see else {}
        calls = self._home if same_origin(realm, self.origin) else self._calls
        with calls.get(url, {"Accept": "application/json", **sent}, SMALL_S) as answer:
            if answer.status == 401:
                self._refused_until = self._clock() + _REFUSED_S if sent else float("-inf")
                raise LoginRefused(f"{self.host} does not know this login", host=self.host)
            if answer.status == 403:
                raise Denied(f"{self.host} gives this login no token for {' and '.join(scopes)}", host=self.host)
            if answer.status != 200:
                pause_s = asked_pause_s(answer.headers) or 60
                raise Unavailable(f"{realm.host} gives no token: status {answer.status}", retry_after_s=pause_s)
            try:
                token, lasts_s = _token_in(strict_json.parse(whole(answer, "token", _TOKEN_BYTES), "token"))
            except Invalid:
                token, lasts_s = "", 0.0
        if not token:
            raise Unavailable(f"{realm.host} gives no token", retry_after_s=60)
        return f"Bearer {token}", lasts_s

    def _kept(self, calls: Outbound) -> Outbound:
        if calls.keeps:
            return calls
        self._opened.append(calls.keeping())
        return self._opened[-1]


def _token_in(told: object) -> tuple[str, float]:
    """The token, "" where there is none, and how many seconds it may be used."""
    document = told if isinstance(told, dict) else {}
    token, lasts = document.get("token") or document.get("access_token"), document.get("expires_in")
    fits = isinstance(token, str) and token.isascii() and token.isprintable() and len(token) <= _LONGEST_TOKEN
    known = isinstance(lasts, int | float) and not isinstance(lasts, bool) and lasts > 0
    lasts_s = float(min(lasts, _LONGEST_TOKEN_S)) if known and lasts is not None else _TOKEN_S
    return (token if fits and isinstance(token, str) else ""), max(lasts_s / 2, lasts_s - _SPARE_S)


def whole(answer: Streamed, what: str, limit: int) -> bytes:
    body = bytearray()
    for piece in answer.chunks:
        body += piece
        if len(body) > limit:
            raise TooLarge(what, limit)
    return bytes(body)


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
