"""Versions of Node packages: strictly semantic ones. In ranges parts may be missing, or be `x`: `>= 1.2`, `^0.3.x`.

Early versions count as every other: `2.0.0-rc.1` lies in `< 2.0.0`, unlike what npm itself installs.
Source: node-semver's ranges, as Trivy reads them: go-npm-version 0.0.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from .identifiers import LARGEST, WILDCARDS, Identifiers, compare_identifiers, identifiers, number, wild
from .ranges import Ranges, Unreadable, comparisons

_NUMBER: Final = r"(0|[1-9][0-9]*)"
_IDENTIFIER: Final = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
_PART: Final = r"[0-9|xX*]+"
_BOUND: Final = re.compile(
    rf"v?({_PART})(?:\.({_PART}))?(?:\.({_PART}))?(?:-([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?"
    r"(?:\+[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*)?"
)
# In place of a number: any of them; or a word, which is newer than all.
_ANY: Final = -1
_WORD: Final = LARGEST + 1


class Version(NamedTuple):
    numbers: tuple[int, int, int]
    early: Identifiers = ()


def read(text: str) -> Version:
    found = _VERSION.fullmatch(text)
    major, minor, patch = (number(found[at]) for at in (1, 2, 3)) if found else (None, None, None)
    if not found or major is None or minor is None or patch is None:
        raise Unreadable(f"no version: {text[:80]}")
    return Version((major, minor, patch), identifiers(found[4] or ""))


def _bound(text: str) -> Version:
    found = _BOUND.fullmatch(text)
    if not found:
        raise Unreadable(f"no version: {text[:80]}")
    return Version((_part(found[1]), _part(found[2]), _part(found[3])), identifiers(found[4] or ""))


def _part(text: str | None) -> int:
    if not text or text in WILDCARDS:
        return _ANY
    value = number(text)
    return _WORD if value is None else value


def compare_versions(version: Version, bound: Version) -> int:
    for one, other in zip(version.numbers, bound.numbers, strict=True):
        if other == _ANY:
            return 0
        if one != other:
            return 1 if one > other else -1
    return compare_identifiers(version.early, bound.early)


def compare(one: str, other: str) -> int:
    """Raises Unreadable."""
    return compare_versions(read(one), read(other))


def _after_tilde(bound: Version) -> Version:
    major, minor, _ = bound.numbers
    if major == _ANY:
        return Version((_WORD, 0, 0))
    return Version((major + 1, 0, 0)) if minor == _ANY else Version((major, minor + 1, 0))


def _after_caret(bound: Version) -> Version:
    major, minor, patch = bound.numbers
    if major == _ANY:
        return Version((_WORD, 0, 0))
    if major or minor == _ANY:
        return Version((major + 1, 0, 0))
    return Version((0, minor + 1, 0)) if minor or patch == _ANY else Version((0, 0, patch + 1))


def _within(version: Version, bound: Version, end: Version) -> bool:
    return compare_versions(version, bound) >= 0 and compare_versions(version, end) < 0


def _sensible(bound: Version) -> bool:
    """`1.x-rc` is early in a release that is not named: nothing is."""
    return _ANY not in bound.numbers or not bound.early or wild(bound.early)


def _where_sensible(satisfies: Callable[[Version, Version], bool]) -> Callable[[Version, Version], bool]:
    return lambda version, bound: _sensible(bound) and satisfies(version, bound)


_OPERATORS: Final = {
    **comparisons(compare_versions),
    "~": lambda version, bound: _within(version, bound, _after_tilde(bound)),
    "^": lambda version, bound: _within(version, bound, _after_caret(bound)),
}
holds: Final = Ranges(
    version=read,
    bound=_bound,
    written=_BOUND.pattern,
    operators={sign: _where_sensible(satisfies) for sign, satisfies in _OPERATORS.items()},
    anything=True,
).hold
