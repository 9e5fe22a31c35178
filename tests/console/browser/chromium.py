"""Debian's Chromium, and windows that remember what went wrong in them.

with launched() as chromium:
    window = Window.opened(chromium, "http://127.0.0.1:5000", Look(language="zh-CN", theme="dark", width=360))
    window.go("/instances")
    window.troubles()            errors of scripts, refused by the policy, failed requests: since it was asked last
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, Self

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, sync_playwright

from chalicelib.console.visit import ROOT, SESSION_COOKIE
from tests.lacking import lacking

WIDE: Final = 1280
NARROW: Final = 360
HEIGHT: Final = 800
# Nothing of a machine that tests has to wait longer for; what takes longer hangs.
PATIENCE_MS: Final = 15_000
_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
)
# What a page that is left alone gives up by itself.
_GIVEN_UP: Final = "net::ERR_ABORTED"


@dataclass(frozen=True)
class Look:
    """How somebody looks at the console. width: of the window in pixels; scripts: whether the browser runs any."""

    language: Literal["en", "zh-CN"] = "en"
    theme: Literal["light", "dark"] = "light"
    width: int = WIDE
    scripts: bool = True


@contextmanager
def launched() -> Iterator[Browser]:
    """The browser; a test that needs it is left out where it is missing, and fails in CI."""
    program = shutil.which("chromium", path=f"/usr/bin:{os.environ['PATH']}")
    if program is None:
        lacking("chromium is missing: run .ci/install-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Window:
    """One window of a browser profile of its own. base: of the service; asked: changes that its pages sent."""

    context: BrowserContext
    page: Page
    base: str
    asked: list[str] = field(default_factory=list)
    _troubles: list[str] = field(default_factory=list)
    _expected: set[int] = field(default_factory=set)

    @classmethod
    def opened(cls, browser: Browser, base: str, look: Look | None = None, token: str = "") -> Self:
        """token: of a session, for who has signed in already."""
        look = look or Look()
        context = browser.new_context(
            viewport={"width": look.width, "height": HEIGHT},
            locale="zh-CN" if look.language == "zh-CN" else "en-GB",
            timezone_id="Asia/Shanghai" if look.language == "zh-CN" else "UTC",
            color_scheme=look.theme,
            java_script_enabled=look.scripts,
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        if token:
            context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": f"{base}{ROOT}/"}])
        window = cls(context, context.new_page(), base)
        context.on("console", window._said)
        context.on("weberror", lambda error: window._troubles.append(f"script: {error.error}"))
        context.on("request", window._sent)
        context.on("requestfailed", window._failed)
        context.on("response", window._answered)
        return window

    def go(self, path: str) -> Page:
        """path: below /console"""
        self.page.goto(f"{self.base}{ROOT}{path}", wait_until="load")
        return self.page

    @property
    def path(self) -> str:
        """Where it is, below /console, without the query."""
        return self.page.url.removeprefix(self.base).removeprefix(ROOT).partition("?")[0].partition("#")[0]

    def expect(self, *statuses: int) -> None:
        """Answers of these are no trouble from now on."""
        self._expected.update(statuses)

    def troubles(self) -> list[str]:
        found, self._troubles[:] = list(self._troubles), []
        return found

    def close(self) -> None:
        self.context.close()

    def _said(self, message: ConsoleMessage) -> None:
        # What failed to load is told of by its answer, too.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self._troubles.append(f"console: {message.text}")

    def _sent(self, request: Request) -> None:
        if request.method == "POST":
            self.asked.append(request.url.removeprefix(self.base).removeprefix(ROOT).partition("?")[0])
        if not request.url.startswith((self.base, "data:", "blob:")):
            self._troubles.append(f"asks somebody else: {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != _GIVEN_UP:
            self._troubles.append(f"failed: {request.method} {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self._expected:
            self._troubles.append(f"{response.status}: {response.request.method} {response.url}")


class Windows:
    """Windows by look, opened once and used again: a profile costs more than a page."""

    def __init__(self, browser: Browser, base: str, tokens: Mapping[bool, str]) -> None:
        self._browser = browser
        self._base = base
        self._tokens = tokens
        self._opened: dict[tuple[Look, bool], Window] = {}

    def of(self, look: Look, *, signed_in: bool) -> Window:
        key = (look, signed_in)
        if key not in self._opened:
            self._opened[key] = Window.opened(self._browser, self._base, look, self._tokens[signed_in])
        self._opened[key].troubles()
        return self._opened[key]

    def close(self) -> None:
        for window in self._opened.values():
            window.close()
