"""Somebody who uses the console: with a mouse or by keyboard alone, with scripts or without, in any language.

What is pressed is named by where it leads or what it sends, so that the same walk is gone in every language.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from playwright.sync_api import Locator, Page

from tests.console.browser.chromium import Window

T = TypeVar("T")

# Background work of a service that shares two processors with a browser.
SOON_S: Final = 60.0
_MOST_STOPS: Final = 400
_SET_OFF_MS: Final = 500


@dataclass(frozen=True)
class Visitor:
    """scripts: of the window; without them a page is loaded again to see how work goes on."""

    window: Window
    by: Literal["mouse", "keyboard"]
    scripts: bool

    @property
    def page(self) -> Page:
        return self.window.page

    def press(self, what: str) -> None:
        """A link or a button; the menu of screens is unfolded where it hides the link."""
        target = self.page.locator(what).locator("visible=true").first
        if not self._shown(target):
            self._press(self.page.locator("nav.side summary"))
        self._press(target)
        self.page.wait_for_load_state("load")

    def arrives(self, path: str) -> None:
        self.page.wait_for_url(f"**{path}")

    def screen(self, path: str) -> None:
        """One of the menu's. path: as its address ends"""
        self.press(f'nav.side a[href$="/{path}"]')

    def write(self, name: str, text: str, within: str = "main") -> None:
        field = self.page.locator(f'{within} [name="{name}"]').locator("visible=true").first
        if self.by == "mouse":
            field.fill(text)
            return
        self._reach(field)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def tick(self, name: str, value: str = "yes", within: str = "main") -> None:
        box = self.page.locator(f'{within} [name="{name}"][value="{value}"]').locator("visible=true").first
        if box.is_checked():
            return
        if self.by == "mouse":
            box.check()
        else:
            self._reach(box)
            self.page.keyboard.press("Space")
        assert box.is_checked()

    def choose(self, name: str, value: str) -> None:
        """An option of a list, or a radio button of a group."""
        chosen = self.page.locator(f'main [name="{name}"]').locator("visible=true").first
        if chosen.evaluate("e => e.tagName") != "SELECT":
            self._choose_radio(name, value)
        elif self.by == "mouse":
            chosen.select_option(value)
        else:
            self._reach(chosen)
            wanted = chosen.evaluate("(e, value) => [...e.options].findIndex(o => o.value === value)", value)
            self.page.keyboard.press("Home")
            for _ in range(wanted):
                self.page.keyboard.press("ArrowDown")
            assert chosen.input_value() == value

    def sees(self, what: str) -> str:
        """Text of it, once it is there."""
        found = self.page.locator(what).locator("visible=true").first
        if self.scripts:
            found.wait_for(timeout=SOON_S * 1000)
        else:
            self.until(lambda: found.count() > 0, f"{what} on {self.window.path}")
        return found.inner_text()

    def until(self, ready: Callable[[], T], what: str) -> T:
        """Without scripts the page is loaded again, as its reader would."""
        ends = time.monotonic() + SOON_S
        while True:
            if found := ready():
                return found
            assert time.monotonic() < ends, f"not within {SOON_S:.0f} s: {what}"
            time.sleep(0.5)
            if not self.scripts:
                self.page.reload()

    def _choose_radio(self, name: str, value: str) -> None:
        wanted = self.page.locator(f'main [name="{name}"][value="{value}"]')
        if self.by == "mouse":
            wanted.check()
        elif not wanted.is_checked():
            group = self.page.locator(f'main [name="{name}"]')
            checked = group.locator("css=:checked")
            self._reach(checked.first if checked.count() else group.first)
            for _ in range(group.count()):
                if not wanted.is_checked():
                    self.page.keyboard.press("ArrowDown")
        assert wanted.is_checked()

    def _press(self, target: Locator) -> None:
        if self.by == "mouse":
            target.click()
        else:
            self._reach(target)
            self.page.keyboard.press("Enter")
            # A click waits for what it set off; a key does not.
            self.page.wait_for_timeout(_SET_OFF_MS)

    def _reach(self, target: Locator) -> None:
        """By Tab alone."""
        for _ in range(_MOST_STOPS):
            if target.evaluate("e => e === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {target} on {self.window.path}")

    def _shown(self, target: Locator) -> bool:
        if target.count():
            return True
        folded = self.page.locator("nav.side details:not([open]) > summary").locator("visible=true")
        if not folded.count():
            target.wait_for()
            return True
        return False
