"""C1: every button of every screen that changes something is pressed once, in a browser, with its form filled in.

Harmless ones first, then those that delete or switch off; where a screen is gone by then, the world is furnished anew.
Whatever comes of it is an answer: a page that says what happened, or the form again with what is wrong.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Response as PlaywrightResponse

from chalicelib.console.screens import PAGES
from chalicelib.console.visit import ROOT
from tests.console.browser import site
from tests.console.browser.chromium import Look, Window
from tests.console.browser.looking import asked
from tests.console.browser.site import Site
from tests.console.furnished import SCREENS
from tests.console.world import Screen
from tests.management import PASSWORD

pytestmark = pytest.mark.browser

ROUTES: Final = tuple(page.path for page in PAGES if page.method == "POST")
# Pressed last, as the window then speaks another language, or nobody is signed in.
PREFERENCES: Final = "/preferences"
SIGN_OUT: Final = "/sign-out"
# Of a client, whose commands the page then shows: that is the answer.
CHOICES: Final = ("/client", "/start")
# Refusals are answers; that nothing fails is what is looked at.
REFUSALS: Final = (400, 401, 403, 404, 409, 413, 428, 429, 503)
# What people would write into fields of these names; others get a word, a number, or what their kind asks for.
VALUES: Final = {
    "name": "walked",
    "username": "walked",
    "password": PASSWORD,
    "account": "rival",
    "cidr": "198.51.100.0/24",
    "amount": "12.50",
    "address": "mirror.example.com",
    "url": "https://example.com/hook",
    "tags": "**",
    "repositories": "**",
    "namespace": "library",
    "cron": "0 2 * * *",
    "timezone": "UTC",
    "issuer": "https://token.example.com",
    "audience": "registry",
}


def route_of(path: str) -> str:
    """Of the page that takes it, by its parts' number and names; "" for none."""
    parts = path.removeprefix(ROOT).split("/")
    fitting = [route for route in ROUTES if _fits(route.split("/"), parts)]
    # The one with the fewest parameters is the one that is meant.
    return min(fitting, key=lambda route: route.count("{"), default="")


def _fits(route: list[str], parts: list[str]) -> bool:
    pairs = zip(route, parts, strict=False)
    return len(route) == len(parts) and all(named == part or named.startswith("{") for named, part in pairs)


@dataclass
class Journey:
    """One window on a world that changes under it."""

    browser: Browser
    folder: Path
    opened: ExitStack
    worlds: int = 0
    sent: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    site: Site = field(init=False)
    window: Window = field(init=False)

    def begin(self) -> None:
        """In a new world."""
        self.opened.close()
        self.worlds += 1
        folder = self.folder / str(self.worlds)
        folder.mkdir()
        self.site = self.opened.enter_context(site.opened(folder))
        self.window = Window.opened(self.browser, self.site.base, Look(), self.site.world.api.token)
        self.opened.callback(self.window.close)
        self.window.expect(*REFUSALS)

    @property
    def page(self) -> Page:
        return self.window.page

    def shows(self, screen: Screen) -> bool:
        """Whether it is there, in this world or else in a new one."""
        for _ in range(2):
            answer = self.page.goto(self.site.base + ROOT + screen.path(self.site.world))
            self.window.troubles()
            if (
                answer is not None
                and answer.status == 200
                and (not screen.signed_in or not self.window.path.startswith("/sign-in"))
            ):
                return True
            self.begin()
        return False

    def go_through(self, screen: Screen, *, dangerous: bool) -> None:
        if not self.shows(screen):
            self.wrong.append(f"{screen.name} is not there")
            return
        for route in [route_of(one["path"]) for one in self._unsent(dangerous=dangerous)]:
            if route not in self.sent and self.shows(screen):
                offered = self._unsent(dangerous=dangerous)
                self._send(screen.name, next(one for one in offered if route_of(one["path"]) == route))

    def leave(self) -> None:
        """Last: its other language hides what forms ask to be typed, and nobody is signed in behind it."""
        self.window.go("/")
        self._send("overview", next(one for one in asked(self.page, "actions") if route_of(one["path"]) == PREFERENCES))
        self.page.locator(".menu summary").click()
        self.page.locator(f'form[action$="{SIGN_OUT}"] button').click()
        self.page.wait_for_url("**/sign-in")
        self.sent.add(SIGN_OUT)

    def _press(self, number: int) -> None:
        button = self.page.locator(f'[data-action="{number}"]')
        with self.page.expect_response(_ends_a_post, timeout=8000):
            if button.is_visible():
                button.click(timeout=4000)
            else:
                # Some are there for who has no scripts; with them their form sends itself.
                button.evaluate("button => button.form.requestSubmit(button)")
        self.page.wait_for_load_state("load")

    def _unsent(self, *, dangerous: bool | None = None) -> list[dict[str, Any]]:
        """dangerous: those alone, or the harmless ones; None for both"""
        found = [one for one in asked(self.page, "actions") if dangerous is None or one["danger"] is dangerous]
        return [one for one in found if route_of(one["path"]) not in {*self.sent, "", PREFERENCES, SIGN_OUT}]

    def _looks(self) -> tuple[str, str, int]:
        """Where one is, and how many fields there are: some buttons answer by one more row."""
        return self.window.path, self.page.locator("h1").inner_text(), self.page.locator("input, select").count()

    def _send(self, name: str, action: dict[str, Any]) -> None:
        route = route_of(action["path"])
        self.sent.add(route)
        asked(self.page, "fill", [action["number"], VALUES])
        before = self._looks()
        try:
            self._press(action["number"])
        except PlaywrightError as failed:
            self.wrong.append(f"{name}: {route}: cannot be sent: {failed.message[:200]}")
            self.begin()
            return
        found = self.window.troubles()
        if route.endswith(CHOICES):
            pass
        elif self.page.locator("h1").count() != 1:
            found.append("answers without a heading")
        elif not asked(self.page, "told") and before == self._looks():
            found.append("answers without a word on what came of it")
        self.wrong += [f"{name}: {route}: {one}" for one in found]
        # What is asked before something dangerous may stand on the answer.
        for further in self._unsent():
            if further["main"] and self.window.path != before[0]:
                self._send(f"{name}, then", further)
                return


def _ends_a_post(response: PlaywrightResponse) -> bool:
    """The answer of a POST, or of the page that it leads to."""
    request = response.request
    led_here = request.redirected_from is not None and request.redirected_from.method == "POST"
    return led_here or (request.method == "POST" and not 300 <= response.status < 400)


def test_every_button_of_every_screen_does_something_and_nothing_fails(chromium: Browser, tmp_path: Path) -> None:
    """C1"""
    with ExitStack() as opened:
        journey = Journey(chromium, tmp_path, opened)
        journey.begin()
        # Whoever signs in is somebody else from then on, who may do less.
        for screen in sorted(SCREENS, key=lambda one: not one.signed_in):
            journey.go_through(screen, dangerous=False)
        journey.begin()
        # What lies within something goes before it.
        for screen in sorted(SCREENS, key=lambda one: -one.route.count("/")):
            journey.go_through(screen, dangerous=True)
        journey.leave()
    assert not journey.wrong, "\n".join(journey.wrong)
    assert set(ROUTES) - journey.sent == set(), "no button of any screen sends these"
