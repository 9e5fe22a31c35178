"""What is looked for in a page that a browser shows. Each answers what is wrong, in words; nothing if nothing is."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page

from chalicelib.console.texts import words
from tests.console.test_words import said

# WCAG A and AA of every version, and what axe calls best practice.
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_AXE: Final = Axe()
_QUESTIONS: Final = Path(__file__).with_name("looking.js").read_text().partition("\n")[2].strip()
# Four words in a row are a sentence; names of products and commands are shorter, or stand in `code`.
_ENGLISH: Final = re.compile(r"\b[A-Za-z]+(?:[ ,;:]+[a-z]+){3,}")
_PLACE: Final = re.compile(r"%\([a-z_0-9]+\)s|%%")


def asked(page: Page, question: str, about: object = None) -> Any:
    """question: a function of looking.js; about: what it is given"""
    try:
        return page.evaluate(f"(about) => {_QUESTIONS}.{question}(about)", about)
    except PlaywrightError as left:
        # The page gave way to the next one at that moment: it is the next that is meant.
        if "context was destroyed" not in left.message:
            raise
    page.wait_for_load_state("load")
    return page.evaluate(f"(about) => {_QUESTIONS}.{question}(about)", about)


def head_complaints(page: Page, language: str) -> list[str]:
    """Language, title, one h1, no id twice."""
    seen = asked(page, "head")
    twice = sorted({one for one in seen["ids"] if seen["ids"].count(one) > 1})
    wrong = []
    if seen["lang"] != language:
        wrong.append(f"its language is {seen['lang']!r}")
    if not seen["title"]:
        wrong.append("it has no title")
    if len(seen["headings"]) != 1 or not seen["headings"][0]:
        wrong.append(f"its h1 are {seen['headings']}")
    return wrong + [f"id {one!r} stands there twice" for one in twice]


def axe_complaints(page: Page, rule: str = "") -> list[str]:
    """rule: that one alone; "" for all"""
    wanted = {"type": "rule", "values": [rule]} if rule else {"type": "tag", "values": _RULES}
    options = {"runOnly": wanted, "resultTypes": ["violations"]}
    found = _AXE.run(page, options=options).response["violations"]
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]} (+{len(one['nodes']) - 1})" for one in found]


def spilt(page: Page) -> list[str]:
    """What lies beside the window, and cannot be scrolled to."""
    return list(asked(page, "spilt"))


def keyboard_complaints(page: Page) -> list[str]:
    """Goes through the page by Tab, once around. Lists that fetch themselves anew stand still meanwhile."""
    for _ in range(asked(page, "focusBegins") + 2):
        page.keyboard.press("Tab")
    return list(asked(page, "focusEnds"))


def untranslated(page: Page) -> list[str]:
    """English sentences of ours on a page in another language."""
    texts, labels = asked(page, "ownTexts"), asked(page, "labels")
    found = {text[:160] for text in texts if _ENGLISH.search(text) or _is_ours(text)}
    return sorted(found | {label for label in labels if _is_ours(label)})


def _is_ours(text: str) -> bool:
    return text in english_words() or any(shape.search(text) for shape in english_shapes())


@cache
def english_words() -> frozenset[str]:
    """What we say in English with two words or more, and otherwise in Chinese."""
    chinese = words("zh-CN").translations
    known = {one for told in said() for one in ((told,) if isinstance(told, str) else told)}
    return frozenset(one for one in known if " " in one and "%" not in one and chinese.gettext(one) != one)


@cache
def english_shapes() -> tuple[re.Pattern[str], ...]:
    """The same with something in the middle that varies: by their longest piece of three words or more."""
    known = {one for told in said() for one in ((told,) if isinstance(told, str) else told) if "%(" in one}
    longest = {max((piece.strip() for piece in _PLACE.split(one)), key=len) for one in known}
    return tuple(re.compile(rf"\b{re.escape(one)}\b") for one in sorted(longest) if one.count(" ") >= 2)
