"""Versions of Java artifacts: `1.0-alpha-1 < 1.0-rc < 1.0-SNAPSHOT < 1.0 = 1.0.0 = 1.0-ga < 1.0-sp < 1.0-abc < 1.0-1`.

A dash, and each change between digits and letters, opens a list inside the list: `1-2a` is `[1, [2, [a]]]`. Each list
is the last of what holds it, so a version is kept as its lists, outer one first.
Source: Maven's ComparableVersion, as Trivy reads it: go-mvn-version of 2026-01.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import zip_longest
from typing import Final

from .ranges import Ranges, Unreadable, comparisons

_WRITTEN: Final = r"[0-9A-Za-z\-~_.+]+"
_INTERVAL: Final = re.compile(r"([\[(])([0-9A-Za-z\-.,]+)([\])])")
_QUALIFIERS: Final = ("alpha", "beta", "milestone", "rc", "snapshot", "", "sp")
_ALIASES: Final = {"ga": "", "final": "", "release": "", "cr": "rc"}
_SHORT: Final = {"a": "alpha", "b": "beta", "m": "milestone"}
_RELEASE: Final = _QUALIFIERS.index("")
_LARGEST: Final = 2**63 - 1
# Kinds of items, oldest first; each is kind, number, word. A word's number is its place among the qualifiers.
_WORD, _LIST, _NUMBER = range(3)
Item = tuple[int, int, str]
Version = tuple[tuple[Item, ...], ...]
_INNER: Final = (_LIST, 0, "")
_NOTHING: Final = {(_NUMBER, 0, ""), (_WORD, _RELEASE, "")}


@lru_cache(maxsize=4_096)
def read(text: str) -> Version:
    """Takes any text."""
    lists: list[list[Item]] = []
    items: list[Item] = []
    lowered = text.lower()
    start, digits = 0, False
    for at, sign in enumerate(lowered):
        if sign in ".-":
            items.append(_item(lowered[start:at], digits))
            start = at + 1
            if sign == "-":
                lists.append(items)
                items = []
            continue
        is_digit = sign in "0123456789"
        if is_digit != digits and at > start:
            items.append(_item(lowered[start:at], digits, before_digit=is_digit))
            lists.append(items)
            items, start = [], at
        digits = is_digit
    if start < len(lowered):
        items.append(_item(lowered[start:], digits))
        lists.append(items)
    return tuple(_significant(each) for each in lists or [items])


def _item(text: str, digits: bool, before_digit: bool = False) -> Item:
    if not text:
        return (_NUMBER, 0, "")
    if digits:
        significant = text.lstrip("0")
        return (_NUMBER, min(int(significant[:20] or "0"), _LARGEST), "")
    word = _SHORT[text] if before_digit and text in _SHORT else _ALIASES.get(text, text)
    return (_WORD, _QUALIFIERS.index(word), "") if word in _QUALIFIERS else (_WORD, len(_QUALIFIERS), word)


def _significant(items: list[Item]) -> tuple[Item, ...]:
    while items and items[-1] in _NOTHING:
        items.pop()
    return tuple(items)


def compare_versions(one: Version, other: Version) -> int:
    for depth in range(max(len(one), len(other))):
        for left, right in zip_longest(_items(one, depth), _items(other, depth)):
            if left == right:
                continue
            if left is None or right is None:
                result = _against_nothing(one, depth, left) if right is None else -_against_nothing(other, depth, right)
            else:
                result = 1 if left > right else -1
            if result:
                return result
        if len(one) <= depth + 1 or len(other) <= depth + 1:
            break
    return 0


def _items(version: Version, depth: int) -> Iterator[Item]:
    yield from version[depth]
    if len(version) > depth + 1:
        yield _INNER


def _against_nothing(version: Version, depth: int, item: Item | None) -> int:
    """`1-rc` is older than `1`, `1-1` is newer, `1.0` is the same."""
    if item == _INNER:
        return next((sign for inner in version[depth + 1 :] for sign in map(_sign, inner) if sign), 0)
    return _sign(item) if item else 0


def _sign(item: Item) -> int:
    kind, number, _ = item
    return int(number > 0) if kind == _NUMBER else (number > _RELEASE) - (number < _RELEASE)


def compare(one: str, other: str) -> int:
    return compare_versions(read(one), read(other))


_in_bounds: Final[Callable[[str, str], bool]] = Ranges(
    version=read,
    bound=read,
    written=_WRITTEN,
    operators={
        **comparisons(compare_versions),
        "!=": lambda version, bound: compare_versions(version, bound) != 0,
    },
).hold


def holds(version: str, ranges: str) -> bool:
    """Also of intervals, `[1.0,1.2),[2.0]`. Raises Unreadable."""
    try:
        return _in_bounds(version, ranges)
    except Unreadable:
        intervals = _INTERVAL.findall("".join(ranges.split()))
        if not intervals:
            raise
    installed = read(version)
    within = [_in_interval(installed, *interval) for interval in intervals]
    return any(within)


def _in_interval(version: Version, opening: str, bounds: str, closing: str) -> bool:
    first, *rest = bounds.split(",")
    if not rest:
        return compare_versions(version, read(first)) == 0
    if len(rest) > 1:
        raise Unreadable(f"no interval: {bounds[:80]}")
    above = compare_versions(version, read(first)) if first else 1
    below = compare_versions(version, read(rest[0])) if rest[0] else -1
    return (above > 0 or (above == 0 and opening == "[")) and (below < 0 or (below == 0 and closing == "]"))
