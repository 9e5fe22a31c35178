"""What a foreign registry is sent as Authorization: fetched once for all threads, kept by scope until it ends.

    request ─► kept for its scopes? else, once the registry has challenged: fetched before it is asked
            ─► 401: fetched anew ─► 401 again: Denied

The password goes to the registry itself or to a realm of its own (`remote_login.is_its_own`), and nowhere else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import httpx

from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import Denied, Invalid, Unavailable

from .outbound import Outbound
from .remote_login import CATALOG, Challenge, Login, LoginRefused, is_its_own, same_origin
from .remote_refusals import asked_pause_s

_ANSWER_S: Final = 30.0
_ANSWER_BYTES: Final = 1024 * 1024
_LONGEST_TOKEN: Final = 64 * 1024
_MOST_TOKENS: Final = 1000
# The specification's, where a registry does not say; and how long before its end a token is not used any more.
_TOKEN_S: Final = 60.0
_LONGEST_TOKEN_S: Final = 3600.0
_SPARE_S: Final = 10.0
# For so long a login that was refused is not tried again: registries count such attempts, and lock out who makes many.
_REFUSED_S: Final = 60.0


class Tokens:
    """Of one registry and one login, for many threads.

    origin  the registry's own; calls: to realms elsewhere, home: to its own
    clock   monotonic seconds; answer_s: how long a realm may take
    """

    def __init__(
        self,
        origin: httpx.URL,
        calls: Outbound,
        home: Outbound,
        login: Login | None,
        clock: Callable[[], float],
        *,
        answer_s: float = _ANSWER_S,
    ) -> None:
        self._answer_s = answer_s
        self._origin = origin
        self._calls = calls
        self._home = home
        self._login = login
        self._clock = clock
        self._challenge: Challenge | None = None
        # Scopes → what is sent, and until when. One thread fetches it for all.
        self._held: dict[tuple[str, ...], tuple[str, float]] = {}
        self._logging_in = threading.Lock()
        self._refused_until = float("-inf")
        self._proven = False

    def headers(self, scopes: tuple[str, ...]) -> Mapping[str, str]:
        """What is sent to the registry itself: from the second request on what its first challenge asked for."""
        known = self._current(scopes)
        if known is None and self._challenge is not None:
            with suppress(Denied):  # It may let anybody do this.
                known = self._log_in(scopes, self._challenge, "")
        return {"Authorization": known} if known else {}

    def _current(self, scopes: tuple[str, ...]) -> str | None:
        text, until = self._held.get(scopes, ("", 0.0))
        return text if text and self._clock() < until else None

    def renew(self, scopes: tuple[str, ...], header: str, before: int) -> bool:
        """After a challenge, and so many before it: whether it is worth another attempt, with a new login.

        Raises LoginRefused where nothing at hand answers.
        """
        if before == 1 and scopes == (CATALOG,) and self._login is not None:
            # Tokens name repositories: some registries list all of them to the password alone.
            self._held[scopes] = (self._login.basic, float("inf"))
            return True
        sent = self._held.get(scopes, ("", 0.0))[0]
        challenge = Challenge.parse(header)
        if challenge.scheme == "basic" and sent and not self._proven:
            self._refused_until = self._clock() + _REFUSED_S
            self._held.clear()
            raise self._unknown()
        if before or (challenge.scheme == "basic" and sent):
            return False
        self._challenge = challenge
        self._log_in(scopes, challenge, sent)
        return True

    def worked(self, scopes: tuple[str, ...]) -> None:
        """What was sent was taken: if it is not taken elsewhere, it is that which is not allowed."""
        self._proven = self._proven or scopes in self._held

    def _unknown(self) -> LoginRefused:
        return LoginRefused(f"{self._origin.host} does not know this login", host=self._origin.host)

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
        if self._clock() < self._refused_until:
            raise self._unknown()
        if challenge.scheme == "basic" and self._login is not None:
            return self._login.basic, float("inf")
        url = challenge.token_url(*scopes)
        if not url:
            raise LoginRefused(f"{self._origin.host} wants a user name and a password", host=self._origin.host)
        try:
            realm = httpx.URL(url)
        except httpx.InvalidURL:
            raise Unavailable(f"{self._origin.host} gets its tokens from nowhere", retry_after_s=60) from None
        may_see = self._login is not None and is_its_own(url, str(self._origin))
        sent = {"Authorization": self._login.basic} if self._login is not None and may_see else {}
        calls = self._home if same_origin(realm, self._origin) else self._calls
        with calls.get(url, {"Accept": "application/json", **sent}, self._answer_s) as answer:
            if answer.status == 401:
                self._refused_until = self._clock() + _REFUSED_S if sent else float("-inf")
                raise self._unknown()
            if answer.status == 403:
                raise Denied(
                    f"{self._origin.host} gives this login no token for {' and '.join(scopes)}", host=self._origin.host
                )
            if answer.status != 200:
                pause_s = asked_pause_s(answer.headers) or 60
                raise Unavailable(f"{realm.host} gives no token: status {answer.status}", retry_after_s=pause_s)
            try:
                token, lasts_s = _token_in(strict_json.parse(answer.whole("token", _ANSWER_BYTES), "token"))
            except Invalid:
                token, lasts_s = "", 0.0
        if not token:
            raise Unavailable(f"{realm.host} gives no token", retry_after_s=60)
        return f"Bearer {token}", lasts_s


def _token_in(told: object) -> tuple[str, float]:
    """The token, "" where there is none, and how many seconds it may be used."""
    document = told if isinstance(told, dict) else {}
    token, lasts = document.get("token") or document.get("access_token"), document.get("expires_in")
    fits = isinstance(token, str) and token.isascii() and token.isprintable() and len(token) <= _LONGEST_TOKEN
    known = isinstance(lasts, int | float) and not isinstance(lasts, bool) and lasts > 0
    lasts_s = float(min(lasts, _LONGEST_TOKEN_S)) if known and lasts is not None else _TOKEN_S
    return (token if fits and isinstance(token, str) else ""), max(lasts_s / 2, lasts_s - _SPARE_S)
