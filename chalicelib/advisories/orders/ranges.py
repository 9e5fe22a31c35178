"""Ranges of versions, as advisories of languages write them: `>= 1.0, < 1.2 || = 2.0`.

    ranges = alternative || alternative …         an alternative holds where all its bounds do
    bound  = operator version, separated by commas or by spaces alone

How versions are written, and which operators there are, differs by ecosystem; what is left of a range that cannot be
read holds for nothing, as in Trivy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, Generic, TypeVar

from chalicelib.advisories.advisory import Advisory

V = TypeVar("V")
B = TypeVar("B")
_SPACE: Final = "[\t\n\f\r ]*"
# Versions that people give are far shorter; what reads them need not be fast for others.
_LONGEST: Final = 500
_REMEMBERED: Final = 4_096
Holds = Callable[[str, str], bool]


class Unreadable(ValueError):
    """A version, or a range of them, that its ecosystem has no place for."""


class Ranges(Generic[V, B]):
    """Of one ecosystem.

    version, bound   read the one that is installed, and one in a range; raise Unreadable
    written          a pattern for versions in ranges
    operators        by how they are written; "" stands before a version alone
    admits           whether an operator may stand before such a bound
    anything         whether an alternative without bounds holds for every version, or is a mistake
    """

    def __init__(
        self,
        *,
        version: Callable[[str], V],
        bound: Callable[[str], B],
        written: str,
        operators: Mapping[str, Callable[[V, B], bool]],
        admits: Callable[[str, B], bool] = lambda sign, bound: True,
        anything: bool = False,
    ) -> None:
        signs = "|".join(re.escape(sign) for sign in sorted(operators, key=len, reverse=True))
        self._item = re.compile(f"{_SPACE}({signs}){_SPACE}({written}){_SPACE},?")
        self._operators = operators
        self._bound = bound
        self._admits = admits
        self._anything = anything
        self._version = lru_cache(_REMEMBERED)(version)
        self._read = lru_cache(_REMEMBERED)(self._read_ranges)

    def hold(self, version: str, ranges: str) -> bool:
        """Whether the version lies in one of the alternatives. Raises Unreadable."""
        if len(version) > _LONGEST:
            raise Unreadable(f"a version of more than {_LONGEST} characters: {version[:80]}")
        installed = self._version(version)
        return any(
            all(satisfies(installed, bound) for satisfies, bound in alternative) for alternative in self._read(ranges)
        )

    def _read_ranges(self, ranges: str) -> list[list[tuple[Callable[[V, B], bool], B]]]:
        return [self._read_alternative(alternative) for alternative in ranges.split("||")]

    def _read_alternative(self, text: str) -> list[tuple[Callable[[V, B], bool], B]]:
        bounds: list[tuple[Callable[[V, B], bool], B]] = []
        at = 0
        while found := self._item.match(text, at):
            sign, bound, at = found[1], self._bound(found[2]), found.end()
            if not self._admits(sign, bound):
                raise Unreadable(f"no range of versions: {text[:80]}")
            bounds.append((self._operators[sign], bound))
        if text[at:].strip() or not (bounds or self._anything):
            raise Unreadable(f"no range of versions: {text[:80]}")
        return bounds


def comparisons(compare: Callable[[V, B], int]) -> dict[str, Callable[[V, B], bool]]:
    """Operators that most ecosystems have, by how they are written."""
    return {
        "": lambda version, bound: compare(version, bound) == 0,
        "=": lambda version, bound: compare(version, bound) == 0,
        "==": lambda version, bound: compare(version, bound) == 0,
        ">": lambda version, bound: compare(version, bound) > 0,
        "<": lambda version, bound: compare(version, bound) < 0,
        ">=": lambda version, bound: compare(version, bound) >= 0,
        "=>": lambda version, bound: compare(version, bound) >= 0,
        "<=": lambda version, bound: compare(version, bound) <= 0,
        "=<": lambda version, bound: compare(version, bound) <= 0,
    }


def affected(version: str, advisory: Advisory, holds: Holds) -> bool:
    """Whether the advisory is about the version: in the vulnerable ranges, and in none that is patched or unaffected.

    An empty range says that nobody knows more: it is about all versions. Of what cannot be read it is about none.
    """
    vulnerable, patched = advisory.vulnerable or (), advisory.patched or ()
    if "" in vulnerable or "" in patched:
        return True
    safe = (*patched, *(advisory.unaffected or ()))
    try:
        if vulnerable and not holds(version, " || ".join(vulnerable)):
            return False
        return not holds(version, " || ".join(safe)) if safe else bool(vulnerable)
    except Unreadable:
        return False
