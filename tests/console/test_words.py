"""C1: both languages are complete. Words are found in the sources as gettext's own tools find them."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from chalicelib.console.texts import LANGUAGES, LOCALE, words
from tests.house.project import PACKAGE

CONSOLE = PACKAGE / "console"
KEYWORDS = {"_": None, "words": None, "_n": (1, 2), "many": (1, 2)}
OTHERS = [code for code in LANGUAGES if code != "en"]
PLACE = re.compile(r"%\([a-z_0-9]+\)s|%%")


@cache
def said() -> frozenset[str | tuple[str, ...]]:
    """Every word of the console's pages and templates."""
    python = [("python", path) for path in CONSOLE.rglob("*.py")]
    templates = [("jinja2.ext:babel_extract", path) for path in (CONSOLE / "templates").rglob("*.html")]
    found: set[str | tuple[str, ...]] = set()
    for method, path in (*python, *templates):
        options = {"trimmed": "false", "silent": "false"} if path.suffix == ".html" else {}
        extracted = extract(method, io.BytesIO(path.read_bytes()), KEYWORDS, options=options)
        found.update(message for _, message, _, _ in extracted if message)
    return frozenset(found)


def catalogues(code: str) -> Iterator[tuple[Path, Message]]:
    for path in sorted((LOCALE / code.replace("-", "_")).glob("*.po")):
        with path.open("rb") as file:
            yield from ((path, message) for message in read_po(file) if message.id)


def console_words(code: str) -> list[tuple[Path, Message]]:
    return [(path, message) for path, message in catalogues(code) if path.name != "rooms.po"]


def key_of(message: Message) -> str | tuple[str, ...]:
    return message.id if isinstance(message.id, str) else tuple(message.id)


@pytest.mark.parametrize("code", OTHERS)
def test_no_word_is_missing_in_a_language(code: str) -> None:
    known = {key_of(message) for _, message in console_words(code) if message.string and not message.fuzzy}
    assert sorted(map(str, said() - known)) == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_has_no_word_that_nobody_says(code: str) -> None:
    assert sorted(f"{path.name}: {key_of(one)}" for path, one in console_words(code) if key_of(one) not in said()) == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_word_is_translated_once(code: str) -> None:
    """In the catalogue of its part, or in common.po if several parts say it."""
    counted = Counter(key_of(message) for _, message in console_words(code))
    assert [word for word, times in counted.items() if times > 1] == []


@pytest.mark.parametrize("code", OTHERS)
def test_what_varies_in_a_sentence_varies_in_its_translation(code: str) -> None:
    wrong = [
        f"{path.name}: {message.id!r} → {message.string!r}"
        for path, message in console_words(code)
        if _places(message.id) != _places(message.string)
    ]
    assert wrong == []


def test_the_extraction_finds_words() -> None:
    assert {"Allowlist", "Who gets in?", "Image repositories"} <= said()
    assert len(said()) > 50


def test_words_come_in_the_language_asked_for() -> None:
    assert words("en")("Sign in") == "Sign in"
    assert words("zh-CN")("Sign in") == "登录"


def _places(text: object) -> set[str]:
    texts = text if isinstance(text, (tuple, list)) else (text,)
    return {place for one in texts for place in PLACE.findall(str(one))}
