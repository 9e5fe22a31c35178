"""What follows the numbers of a semantic version: `alpha.1` of `1.2.3-alpha.1`. Source: semver.org, §11."""

from __future__ import annotations

from typing import Final

WILDCARDS: Final = frozenset({"*", "x", "X"})
# Numbers are older than words; of equal ones the shorter list is older.
_NUMBER, _WORD = range(2)
# Beyond, what looks like a number is a word.
LARGEST: Final = 2**64 - 1
_DIGITS: Final = len(str(LARGEST))
Identifiers = tuple[tuple[int, int, str], ...]


def number(text: str) -> int | None:
    """None where the text is no number, or one too large."""
    if not (text.isdecimal() and text.isascii() and len(text.lstrip("0")) <= _DIGITS):
        return None
    value = int(text.lstrip("0") or "0")
    return value if value <= LARGEST else None


def identifiers(text: str) -> Identifiers:
    """Each as kind, number, word."""
    return tuple(_identifier(each) for each in text.split(".")) if text else ()


def _identifier(text: str) -> tuple[int, int, str]:
    value = number(text)
    return (_WORD, 0, text) if value is None else (_NUMBER, value, "")


def wild(found: Identifiers) -> bool:
    return any(word in WILDCARDS for _, _, word in found)


def compare_identifiers(one: Identifiers, other: Identifiers) -> int:
    """A version without any is newer than all that have some; a wildcard is the same as everything."""
    if wild(one) or wild(other):
        return 0
    if not one or not other:
        return bool(other) - bool(one)
    return (one > other) - (one < other)
