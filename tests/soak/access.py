"""How a deed asks: with a token as clients hold one, renewed before its end and when the service wants another."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from benchmarks.wire import Answer, build_request

from .pace import Broken, Step

# Half of a token's life, so that none ends while a deed goes on.
_USED_FOR_S: Final = 150.0

Asking = Generator[Step, Answer, Answer]


@dataclass
class Access:
    """One client program: the registry's tokens, one a repository, and a session of the management API."""

    port: int
    username: str
    password: str
    service: str = ""
    session: str = ""
    renewed: int = 0
    _tokens: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def registry(
        self,
        kind: str,
        repository: str,
        method: str,
        path: str,
        body: bytes = b"",
        media_type: str = "",
        source: str = "",
    ) -> Asking:
        """One request below a repository. Asks once more with a new token if the old one was for what was there
        before: a token ends with the repository that it was made for.

        source   a second repository that the token has to open for pulls
        """
        for _ in range(2):
            token = yield from self._token(repository, source)
            headers = {"Host": self.host, "Authorization": f"Bearer {token}"}
            if media_type:
                headers["Content-Type"] = media_type
            url = path if path.startswith("/") else f"/v2/{repository}/{path}"
            data = (memoryview(body),) if body else ()
            answer = yield Step(kind, build_request(method, url, headers, data))
            if answer.status != 401:
                return answer
            self.renewed += 1
            self._tokens.pop((repository, source), None)
        return answer

    def challenge(self) -> Asking:
        return (yield Step("challenge", build_request("GET", "/v2/", {"Host": self.host})))

    def manage(self, kind: str, method: str, path: str, body: object = None) -> Asking:
        """One request of the management API."""
        if not self.session:
            asked = {"account": "default", "username": self.username, "password": self.password}
            answer = yield from self._api("sign in", "POST", "/session", asked)
            self.session = str(document(expect(answer, 200, 201))["token"])
        return (yield from self._api(kind, method, path, body))

    def _api(self, kind: str, method: str, path: str, body: object) -> Asking:
        headers = {"Host": self.host, "Content-Type": "application/json"}
        if self.session:
            headers["Authorization"] = f"Bearer {self.session}"
        data = (memoryview(json.dumps(body).encode()),) if body is not None else ()
        return (yield Step(kind, build_request(method, f"/api/v1{path}", headers, data)))

    def _token(self, repository: str, source: str) -> Generator[Step, Answer, str]:
        held = self._tokens.get((repository, source))
        if held is not None and held[1] > time.monotonic():
            return held[0]
        scopes = [f"repository:{repository}:pull,push,delete", *([f"repository:{source}:pull"] if source else [])]
        query = urlencode({"service": self.service, "scope": scopes}, doseq=True)
        login = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        headers = {"Host": self.host, "Authorization": f"Basic {login}"}
        answer = yield Step("token", build_request("GET", f"/token?{query}", headers))
        token = str(document(expect(answer, 200))["token"])
        self._tokens[repository, source] = (token, time.monotonic() + _USED_FOR_S)
        return token


def expect(answer: Answer, *statuses: int) -> Answer:
    """The answer itself. Raises Broken on any other status."""
    if answer.status not in statuses:
        asked = answer.request.head.split(b"\r\n", 1)[0].decode("latin-1")
        told = (answer.body or answer.head)[:300].decode("utf-8", "replace")
        raise Broken(f"{asked}: {answer.status} instead of {' or '.join(map(str, statuses))}: {told}")
    return answer


def document(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer."""
    parsed = json.loads(answer.body)
    assert isinstance(parsed, dict)
    return parsed
