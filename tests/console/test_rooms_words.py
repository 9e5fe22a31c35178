"""C1: what rooms say is said in every language: refusals, reasons, advice."""

from __future__ import annotations

import re

import pytest
from babel.messages.pofile import read_po

from chalicelib.console.texts import LANGUAGES, LOCALE, Sentences, words
from tests.console.rooms_said import said

OTHERS = [code for code in LANGUAGES if code != "en"]


def catalogue(code: str) -> dict[str, str]:
    with (LOCALE / code.replace("-", "_") / "rooms.po").open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}


def test_sentences_are_found() -> None:
    assert {"there is no such tag", "%(p1)s is on the allowlist already", "Field required"} <= said()
    assert len(said()) > 500


@pytest.mark.parametrize("code", OTHERS)
def test_no_sentence_is_missing_in_a_language(code: str) -> None:
    assert sorted(said() - {told for told, text in catalogue(code).items() if text}) == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_has_no_sentence_that_no_room_says(code: str) -> None:
    assert sorted(set(catalogue(code)) - said()) == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_tells_of_nothing_that_its_sentence_does_not(code: str) -> None:
    """It may leave out what only English has, such as the s of a plural."""
    unknown = {told: text for told, text in catalogue(code).items() if not _places(text) <= _places(told)}
    assert unknown == {}


@pytest.mark.parametrize(
    ("sentence", "translated"),
    [
        ("there is no such tag", "没有这样的版本"),
        ("10.0.0.0/8 is on the allowlist already", "10.0.0.0/8 已在白名单中"),
        ("String should have at most 1 character", "最多可有 1 个字符"),
        ("String should have at most 63 characters", "最多可有 63 个字符"),
        # What varies is translated too, where it is a sentence.
        (
            "library/app:v1 cannot be accelerated: it is immutable",
            "无法加速 library/app:v1：不可变",
        ),
        ("your role does not allow to change settings", "您的角色不允许更改设置"),
        ("Package lists and archives of apt left behind", "遗留了 apt 的软件包列表和归档"),
        ("his own tags", "his own tags"),
        ("a sentence that nobody says", "a sentence that nobody says"),
    ],
)
def test_a_sentence_is_told_in_the_readers_language(sentence: str, translated: str) -> None:
    assert words("zh-CN").said(sentence) == translated


def test_a_long_text_is_left_as_it_is_in_no_time() -> None:
    """Vulnerability texts and remarks come here too."""
    sentences = Sentences({"%(p1)s is %(p2)s%(p3)s of %(p4)s!": "%(p1)s%(p2)s%(p3)s%(p4)s"})
    text = "is of " * 600
    assert sentences.translated(text) == text


def _places(text: str) -> set[str]:
    return set(re.findall(r"%\([pn][0-9]\)s", text))
