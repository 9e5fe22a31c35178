"""Versions of Rust, Go, PHP and .NET: semantic ones, read leniently: `v1.2`, `1.2.3.4`, `1.0rc1`, `2.0.0-beta.1+5`.

Any number of segments counts, those missing as 0. Source: Trivy's generic comparison, go-version 0.0.1.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from .identifiers import Identifiers, compare_identifiers, identifiers, number
from .ranges import Ranges, Unreadable, comparisons

_WORD: Final = r"[0-9A-Za-z\-~]"
_VERSION: Final = re.compile(
    rf"v?([0-9]+(?:\.[0-9]+)*)(?:-([0-9]+{_WORD}*(?:\.{_WORD}+)*)|-?([A-Za-z\-~]+{_WORD}*(?:\.{_WORD}+)*))?"
    rf"(?:\+{_WORD}+(?:\.{_WORD}+)*)?"
)


class Version(NamedTuple):
    segments: tuple[int, ...]
    early: Identifiers

    @property
    def significant(self) -> tuple[int, ...]:
        """Without zeros at the end: they change nothing."""
        end = len(self.segments)
        while end and not self.segments[end - 1]:
            end -= 1
        return self.segments[:end]


def read(text: str) -> Version:
    found = _VERSION.fullmatch(text)
    segments = [number(each) for each in found[1].split(".")] if found else []
    if not found or None in segments:
        raise Unreadable(f"no version: {text[:80]}")
    return Version(tuple(each for each in segments if each is not None), identifiers(found[2] or found[3] or ""))


def compare_versions(one: Version, other: Version) -> int:
    first, second = one.significant, other.significant
    if first != second:
        return 1 if first > second else -1
    return compare_identifiers(one.early, other.early)


def compare(one: str, other: str) -> int:
    """Raises Unreadable."""
    return compare_versions(read(one), read(other))


def _after_pessimistic(bound: Version) -> Version:
    """`~> 1.2.3`: below 1.3. Of one segment: below the next."""
    *kept, last = bound.segments
    if not kept:
        return Version((last + 1,), bound.early)
    return Version((*kept[:-1], kept[-1] + 1, 0), ())


def _after_tilde(bound: Version) -> Version:
    """`~1.2.3` and `~1.2`: below 1.3."""
    if len(bound.segments) == 2:
        return Version((bound.segments[0], bound.segments[1] + 1), bound.early)
    return _after_pessimistic(bound)


def _after_caret(bound: Version) -> Version:
    """`^1.2.3`: below 2; `^0.2.3`: below 0.3; `^0.0`: below 0.1."""
    size = len(bound.segments)
    first = next((at for at, each in enumerate(bound.segments) if each), size - 1)
    raised = (*bound.segments[:first], bound.segments[first] + 1)
    return Version((*raised, *(0 for _ in range(size - first - 1))), ())


def _within(version: Version, bound: Version, end: Version) -> bool:
    return compare_versions(version, bound) >= 0 and compare_versions(version, end) < 0


holds: Final = Ranges(
    version=read,
    bound=read,
    written=_VERSION.pattern,
    operators={
        **comparisons(compare_versions),
        "!=": lambda version, bound: compare_versions(version, bound) != 0,
        "~>": lambda version, bound: _within(version, bound, _after_pessimistic(bound)),
        "~": lambda version, bound: _within(version, bound, _after_tilde(bound)),
        "^": lambda version, bound: _within(version, bound, _after_caret(bound)),
    },
).hold
