"""One repository of a running registry as the client sees it: where it is, and the bearer token that opens it.

A token is fetched the way every client does: ask without one, read the challenge, ask the realm it names. It is fetched
once and renewed when it comes close to its end, as docker and containerd do; each request carries it and is checked.
"""

import base64
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.subjects import Account
from benchmarks.wire import Request, Take, build_request

NAMESPACE = "library"
"""The namespace a first start of ours makes, with repositories created on push; to the others a part of the name."""

_RENEW_BEFORE_END_S = 90.0
_SHORTEST_LIFE_S = 60
"""What a client assumes when ``expires_in`` is missing (distribution's token document)."""
_PARAMETER = re.compile(r'([a-z]+)="([^"]*)"')


class NoAccess(Exception):
    """The registry gave no token, or challenged in a way the client does not know."""


@dataclass(frozen=True)
class _Token:
    value: str
    renew_at: float


class Gate:
    """Tokens for one registry, one for each repository; anonymous where there is no account."""

    def __init__(self, port: int, account: Account | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = f"http://127.0.0.1:{port}"
        self._account = account
        self._clock = clock
        self._tokens: dict[str, _Token] = {}

    def headers(self, repository: str) -> dict[str, str]:
        """The Authorization header for pulling from and pushing to a repository; none for an anonymous registry."""
        if self._account is None:
            return {}
        token = self._tokens.get(repository)
        if token is None or token.renew_at <= self._clock():
            token = self._tokens[repository] = self._fetch(repository, self._account)
        return {"Authorization": f"Bearer {token.value}"}

    def forget(self, repository: str) -> None:
        """Drops a token, as it may be bound to what the repository was before its first push."""
        self._tokens.pop(repository, None)

    def _fetch(self, repository: str, account: Account) -> _Token:
        challenge = self._challenge()
        scope = f"repository:{repository}:pull,push"
        query = urllib.parse.urlencode({"service": challenge.get("service", ""), "scope": scope})
        secret = base64.b64encode(f"{account.username}:{account.password}".encode()).decode()
        request = urllib.request.Request(f"{challenge['realm']}?{query}", headers={"Authorization": f"Basic {secret}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            told = json.loads(answer.read())
        life_s = int(told.get("expires_in", _SHORTEST_LIFE_S))
        use_s = max(life_s - _RENEW_BEFORE_END_S, life_s / 2)
        return _Token(told.get("token") or told["access_token"], self._clock() + use_s)

    def _challenge(self) -> dict[str, str]:
        try:
            with urllib.request.urlopen(f"{self._root}/v2/", timeout=10) as answer:
                raise NoAccess(f"expected a challenge, got {answer.status}: it is to be measured with its checks on")
        except urllib.error.HTTPError as refusal:
            challenge = refusal.headers.get("WWW-Authenticate", "")
        if not challenge.startswith("Bearer "):
            raise NoAccess(f"expected a Bearer challenge, got {challenge!r}")
        return dict(_PARAMETER.findall(challenge))


@dataclass(frozen=True)
class Target:
    """One repository of one running registry."""

    port: int
    gate: Gate
    repository: str

    @property
    def address(self) -> tuple[str, int]:
        """Where the load client connects to."""
        return ("127.0.0.1", self.port)

    def path(self, suffix: str) -> str:
        """A path of the registry API below this repository."""
        return f"/v2/{self.repository}/{suffix}"

    def headers(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        """Header fields every request of this repository carries, and some more."""
        return {"Host": f"127.0.0.1:{self.port}", **self.gate.headers(self.repository), **(extra or {})}

    def request(
        self,
        method: str,
        path: str,
        extra: dict[str, str] | None = None,
        body: tuple[memoryview, ...] = (),
        take: Take = Take.KEEP,
    ) -> Request:
        """A request with this repository's authorisation."""
        return build_request(method, path, self.headers(extra), body, take)


def open_target(port: int, gate: Gate, name: str) -> Target:
    """The repository of this name in the namespace every subject shares."""
    return Target(port, gate, f"{NAMESPACE}/{name}")
