"""Versions of Ruby gems: `4.2.11.3`, `3.0.0.rc1`. Words are older than numbers. Source: Gem::Version.

`~> 4.2.1`: 4.2.1 and later, but below 4.3.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from .identifiers import number
from .ranges import Ranges, Unreadable, comparisons

_WRITTEN: Final = r"[0-9]+(?:\.[0-9a-zA-Z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
_VERSION: Final = re.compile(_WRITTEN)
# Letters stand one by one: `rc` sorts as `r`, `c`.
_SEGMENTS: Final = re.compile("[0-9]+|[a-zA-Z]")
_WORD, _NUMBER = range(2)
_ZERO: Final = (_NUMBER, 0, "")
Segments = tuple[tuple[int, int, str], ...]


class Version(NamedTuple):
    """numbers: up to the first word; early: the rest, which begins with it."""

    numbers: Segments
    early: Segments = ()

    def padded(self, size: int) -> Segments:
        segments = (*_significant(self.numbers), *_significant(self.early))
        return segments + (_ZERO,) * (size - len(segments))


def _significant(segments: Segments) -> Segments:
    end = len(segments)
    while end and segments[end - 1] == _ZERO:
        end -= 1
    return segments[:end]


def read(text: str) -> Version:
    text = text.strip() or "0"
    if not _VERSION.fullmatch(text):
        raise Unreadable(f"no version: {text[:80]}")
    segments = tuple(_segment(each) for each in _SEGMENTS.findall(text.replace("-", ".pre.")))
    first_word = next((at for at, each in enumerate(segments) if each[0] == _WORD), len(segments))
    return Version(segments[:first_word], segments[first_word:])


def _segment(text: str) -> tuple[int, int, str]:
    value = number(text)
    return (_WORD, 0, text) if value is None else (_NUMBER, value, "")


def compare_versions(one: Version, other: Version) -> int:
    size = max(len(one.numbers) + len(one.early), len(other.numbers) + len(other.early))
    first, second = one.padded(size), other.padded(size)
    return (first > second) - (first < second)


def compare(one: str, other: str) -> int:
    """Raises Unreadable."""
    return compare_versions(read(one), read(other))


def _pessimistic(version: Version, bound: Version) -> bool:
    if compare_versions(version, bound) < 0 or not bound.numbers:
        return False
    kept = bound.numbers[: max(len(bound.numbers) - 1, 1)]
    end = Version((*kept[:-1], (_NUMBER, kept[-1][1] + 1, "")))
    return compare_versions(Version(version.numbers), end) < 0


holds: Final = Ranges(
    version=read,
    bound=read,
    written=_WRITTEN,
    operators={
        **comparisons(compare_versions),
        "!=": lambda version, bound: compare_versions(version, bound) != 0,
        "~>": _pessimistic,
    },
).hold
