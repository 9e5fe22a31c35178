"""C1: every screen in a browser: wide and narrow, light and dark, in both languages, with scripts and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.console.browser.chromium import HEIGHT, NARROW, WIDE, Look, Window, Windows
from tests.console.browser.looking import (
    asked,
    axe_complaints,
    head_complaints,
    keyboard_complaints,
    spilt,
    untranslated,
)
from tests.console.browser.pictures import files_of, take
from tests.console.browser.site import Site
from tests.console.furnished import SCREENS
from tests.console.world import Screen

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name),
]

ENGLISH = Look()
CHINESE_PHONE = Look(language="zh-CN", theme="dark", width=NARROW)
SCRIPTLESS = Look(scripts=False)


def shown(windows: Windows, site: Site, screen: Screen, look: Look) -> tuple[Window, Page]:
    window = windows.of(look, signed_in=screen.signed_in)
    page = window.page
    # As it was opened: the tests turn it around.
    page.set_viewport_size({"width": look.width, "height": HEIGHT})
    page.emulate_media(color_scheme=look.theme)
    return window, window.go(screen.path(site.world))


def complain(**found: list[str]) -> None:
    """found: complaints by where they were found"""
    told = [f"{where}: {one}" for where, all_there in found.items() for one in all_there]
    assert not told, "\n".join(told)


def test_a_screen_in_english(windows: Windows, furnished_site: Site, album: Path, screen: Screen) -> None:
    """C1: whole, usable by everybody, in light and in the dark; Tab reaches every control and shows where it is."""
    window, page = shown(windows, furnished_site, screen, ENGLISH)
    take(page, album / files_of(screen)[0])
    whole = head_complaints(page, "en") + spilt(page)
    light = axe_complaints(page)
    page.emulate_media(color_scheme="dark")
    dark = axe_complaints(page, "color-contrast")
    keyboard = keyboard_complaints(page)
    complain(whole=whole, light=light, dark=dark, keyboard=keyboard, browser=window.troubles())


def test_a_screen_in_chinese_on_a_phone(windows: Windows, furnished_site: Site, album: Path, screen: Screen) -> None:
    """C1: and on a desk in light, where Chinese takes another room than English."""
    window, page = shown(windows, furnished_site, screen, CHINESE_PHONE)
    take(page, album / files_of(screen)[1])
    phone = head_complaints(page, "zh-CN") + spilt(page)
    words = untranslated(page)
    dark = axe_complaints(page)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": WIDE, "height": HEIGHT})
    complain(phone=phone, words=words, dark=dark, desk=spilt(page), browser=window.troubles())


def test_a_screen_without_scripts(windows: Windows, furnished_site: Site, screen: Screen) -> None:
    """C1: the same rows and forms, each form with a button; filters are sent by theirs."""
    _, scripted = shown(windows, furnished_site, screen, ENGLISH)
    with_scripts = asked(scripted, "usable")
    window, page = shown(windows, furnished_site, screen, SCRIPTLESS)
    without = asked(page, "usable")
    assert (without["rows"], len(without["forms"])) == (with_scripts["rows"], len(with_scripts["forms"]))
    filters = page.locator("main form.filters button:not([type=button])")
    if filters.count():
        heading = page.locator("h1").inner_text()
        filters.first.click()
        assert page.locator("h1").inner_text() == heading
    complain(forms=without["stuck"], browser=window.troubles())
