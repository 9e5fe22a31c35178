"""Packages that somebody else mended: their advisories count, and those of the original no more.

Seal Security renames a package, or leaves its name and adds to its version, `4.2.8+sp1`. What it adds for Node, Go and
Ruby others use too: there its advisories count if it has any for the name.
Source: Trivy's pkg/detector/library/seal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .ecosystems import Ecosystem
from .orders.ranges import Holds

_PLUS: Final = re.compile(r".*\+sp[0-9]+(?:p[0-9]+)?", re.DOTALL)


def _labelled_python(version: str, ranges: str) -> bool:
    from .orders import pep440

    return pep440.holds_with_labels(version, ranges)


@dataclass(frozen=True)
class Supplied:
    """certain: nobody else has such names or versions."""

    prefix: str
    holds: Holds
    certain: bool


@dataclass(frozen=True)
class _Marks:
    name: re.Pattern[str]
    version: re.Pattern[str]
    certain: bool


_MARKS: Final = {
    "maven::": _Marks(re.compile(r"seal\.sp[0-9]"), _PLUS, certain=True),
    "pip::": _Marks(re.compile("seal-"), _PLUS, certain=True),
    "npm::": _Marks(re.compile("@seal-security/"), re.compile(r".*-sp[0-9]+(?:p[0-9]+)?", re.DOTALL), certain=False),
    "go::": _Marks(
        re.compile(r"sealsecurity\.io/"),
        re.compile(r".*-sp[0-9]+(?:p[0-9]+)?(?:\+incompatible)?", re.DOTALL),
        certain=False,
    ),
    "rubygems::": _Marks(re.compile("seal-"), re.compile(r".*\.0\.1\.sp[0-9]+(?:p[0-9]+)?", re.DOTALL), certain=False),
}


def supplied(name: str, version: str, ecosystem: Ecosystem) -> Supplied | None:
    """name: as the database writes it. None for a package that is its makers' own."""
    marks = _MARKS.get(ecosystem.prefix)
    if marks is None:
        return None
    renamed = marks.name.match(name) is not None
    if not renamed and not marks.version.fullmatch(version):
        return None
    holds = _labelled_python if ecosystem.prefix == "pip::" else ecosystem.holds
    return Supplied(f"seal {ecosystem.prefix}", holds, certain=renamed or marks.certain)
