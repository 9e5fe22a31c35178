"""C1: lists and dialogs under the reader's hands: where the focus is, and in which order a list stays."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.console.browser.chromium import Look, Windows

pytestmark = pytest.mark.browser

LIST: Final = "/instances/ci/namespaces"
DELETE: Final = "#list a[data-dialog]"
FETCH_ANEW: Final = "() => htmx.ajax('GET', location.href, '#list')"


def opened_by_keyboard(windows: Windows) -> tuple[Page, str]:
    """A question in a dialog, and the address of the last link of the list, which opened it."""
    page = windows.of(Look(), signed_in=True).go(LIST)
    link = page.locator(DELETE).last
    address = link.get_attribute("href")
    assert address
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#dialog section.ask")).to_be_visible()
    return page, address


@pytest.mark.parametrize("way", ["Escape", "Cancel"])
@pytest.mark.parametrize("fetched_anew", [False, True], ids=["as it was", "list fetched anew"])
def test_a_question_that_is_closed_gives_the_focus_back(windows: Windows, way: str, fetched_anew: bool) -> None:
    page, address = opened_by_keyboard(windows)
    if fetched_anew:
        page.locator("#list").evaluate("list => { list.firstElementChild.id = 'before'; }")
        page.evaluate(FETCH_ANEW)
        expect(page.locator("#before")).to_have_count(0)
    if way == "Escape":
        page.keyboard.press("Escape")
    else:
        page.locator("#dialog [data-close]").click()
    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator(f'#list a[href="{address}"]')).to_be_focused()


def test_the_palette_gives_the_focus_back_to_the_field_that_was_typed_into(windows: Windows) -> None:
    page = windows.of(Look(), signed_in=True).go(LIST)
    page.locator("#search").focus()
    page.keyboard.press("Control+k")
    expect(page.locator("[data-palette-panel] input[type=search]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#search")).to_be_focused()


def test_what_is_typed_narrows_the_list_in_the_order_that_it_has_now(windows: Windows) -> None:
    """Also where the list alone was fetched in another order, and after going back."""
    page = windows.of(Look(), signed_in=True).go(f"{LIST}?sort=-name")
    page.evaluate("() => htmx.ajax('GET', location.pathname + '?sort=name', '#list')")
    expect(page.locator("#list th[aria-sort=ascending]")).to_have_count(1)
    page.locator("#search").fill("a")
    page.wait_for_url("**search=a**")
    expect(page.locator("#list th[aria-sort=ascending]")).to_have_count(1)
    assert "sort=name" in page.url
    page.go_back()
    expect(page.locator("#list th[aria-sort=descending]")).to_have_count(1)
    page.locator("#search").fill("a")
    page.wait_for_url("**search=a**")
    expect(page.locator("#list th[aria-sort=descending]")).to_have_count(1)
