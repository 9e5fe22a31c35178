"""C1: every screen in a browser: wide and narrow, light and dark, in both languages, with scripts and without."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.console.browser.chromium import NARROW, Look, Window, Windows
from tests.console.browser.looking import (
    asked,
    axe_complaints,
    head_complaints,
    keyboard_complaints,
    spilt,
    untranslated,
)
from tests.console.browser.site import Site
from tests.console.furnished import SCREENS
from tests.console.world import Screen

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name),
]

ENGLISH = Look()
ENGLISH_DARK = Look(theme="dark")
CHINESE_NARROW = Look(language="zh-CN", theme="dark", width=NARROW)
CHINESE = Look(language="zh-CN")
SCRIPTLESS = Look(scripts=False)


def shown(windows: Windows, site: Site, screen: Screen, look: Look) -> tuple[Window, Page]:
    window = windows.of(look, signed_in=screen.signed_in)
    page = window.go(screen.path(site.world))
    return window, page


def complain(found: list[str]) -> None:
    assert not found, "\n".join(found)


def test_a_screen_is_whole_in_english_and_light(windows: Windows, furnished_site: Site, screen: Screen) -> None:
    """C1"""
    window, page = shown(windows, furnished_site, screen, ENGLISH)
    complain(head_complaints(page, "en") + spilt(page) + axe_complaints(page) + window.troubles())


def test_a_screen_can_be_read_in_the_dark(windows: Windows, furnished_site: Site, screen: Screen) -> None:
    """C1"""
    window, page = shown(windows, furnished_site, screen, ENGLISH_DARK)
    complain(axe_complaints(page) + window.troubles())


def test_a_screen_is_whole_in_chinese_on_a_phone(windows: Windows, furnished_site: Site, screen: Screen) -> None:
    """C1"""
    window, page = shown(windows, furnished_site, screen, CHINESE_NARROW)
    found = head_complaints(page, "zh-CN") + spilt(page) + untranslated(page) + axe_complaints(page)
    complain(found + window.troubles())


def test_a_screen_fits_in_chinese_and_light(windows: Windows, furnished_site: Site, screen: Screen) -> None:
    """C1"""
    window, page = shown(windows, furnished_site, screen, CHINESE)
    complain(head_complaints(page, "zh-CN") + spilt(page) + window.troubles())


def test_a_screen_is_used_by_keyboard(windows: Windows, furnished_site: Site, screen: Screen) -> None:
    """C1: Tab reaches every control, in the order of the page, and shows where it is."""
    _, page = shown(windows, furnished_site, screen, ENGLISH)
    complain(keyboard_complaints(page))


def test_a_screen_needs_no_scripts(windows: Windows, furnished_site: Site, screen: Screen) -> None:
    """C1: the same rows and forms, each form with a button; filters are sent by theirs."""
    _, scripted = shown(windows, furnished_site, screen, ENGLISH)
    with_scripts = asked(scripted, "usable")
    window, page = shown(windows, furnished_site, screen, SCRIPTLESS)
    without = asked(page, "usable")
    assert without["rows"] == with_scripts["rows"]
    assert len(without["forms"]) == len(with_scripts["forms"])
    assert without["stuck"] == []
    filters = page.locator("main form.filters button:not([type=button])")
    if filters.count():
        heading = page.locator("h1").inner_text()
        filters.first.click()
        assert page.locator("h1").inner_text() == heading
    complain(head_complaints(page, "en") + window.troubles())
