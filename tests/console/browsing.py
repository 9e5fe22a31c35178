"""The console without a browser: pages asked for in process, forms sent as a browser sends them.

browser = Browser.signed_in(stack)                      as the owner of account `default`
seen = browser.get("/instances/ci/allowlist")
seen = browser.post("/instances/ci/allowlist", cidr="203.0.113.0/24")     redirects are followed
seen.status, seen.path, seen.words, seen.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Self

import httpx

from chalicelib.console.application import Console
from chalicelib.console.visit import ROOT, SESSION_COOKIE
from chalicelib.gate import ServiceGate
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.management import ADDRESS, Api

OWN_ORIGIN = "http://127.0.0.1:5000"


@dataclass(frozen=True)
class Seen:
    """path: where the browser ended up, below /console; words: what a reader sees, spaces as one."""

    status: int
    path: str
    html: str
    headers: httpx.Headers

    @property
    def words(self) -> str:
        reader = _Reader()
        reader.feed(self.html)
        return " ".join("".join(reader.pieces).split())


class Browser:
    """cookies: what the console gave it."""

    def __init__(self, stack: Stack, token: str = "", language: str = "en", address: str = ADDRESS) -> None:
        self._application = Console(stack, ServiceGate())
        self._headers = {"sec-fetch-site": "same-origin", "accept-language": language}
        self._address = address
        self.cookies = httpx.Cookies()
        if token:
            self.cookies.set(SESSION_COOKIE, token, domain="127.0.0.1", path=ROOT)

    @classmethod
    def signed_in(
        cls,
        stack: Stack,
        role: Role = Role.OWNER,
        *,
        account: str = "default",
        operator: bool = False,
        language: str = "en",
    ) -> Self:
        api = Api.signed_in(stack, role, account=account, operator=operator)
        return cls(stack, api.token, language)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Seen:
        return _seen(self._send("GET", path, {**self._headers, **(headers or {})}))

    def part(self, path: str, fragment: str) -> Seen:
        """What htmx gets that wants to replace the element of this id."""
        return self.get(path, {"hx-request": "true", "hx-target": fragment})

    def post(self, path: str, form: Mapping[str, str | list[str]] | None = None, **fields: str | list[str]) -> Seen:
        return _seen(self._send("POST", path, self._headers, {**(form or {}), **fields}))

    def send(self, method: str, path: str, headers: dict[str, str], **fields: str) -> httpx.Response:
        """As it is, with these headers alone, and no redirect followed."""
        return self._send(method, path, headers, dict(fields), follow=False)

    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        form: Mapping[str, str | list[str]] | None = None,
        *,
        follow: bool = True,
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._application, client=(self._address, 50000))
            async with httpx.AsyncClient(transport=transport, base_url=OWN_ORIGIN, cookies=self.cookies) as client:
                response = await client.request(
                    method, ROOT + path, headers=headers, data=form, follow_redirects=follow
                )
                self.cookies = client.cookies
                return response

        return asyncio.run(send())


def _seen(response: httpx.Response) -> Seen:
    path = response.url.raw_path.decode().removeprefix(ROOT)
    return Seen(response.status_code, path, response.text, response.headers)


class _Reader(HTMLParser):
    """Text of a page, without what nobody sees."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in ("script", "style", "head")
        self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in ("script", "style", "head")
        self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data)
