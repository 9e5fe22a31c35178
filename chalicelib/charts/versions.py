"""Versions of charts: their order, the tags that bear them, and the names of their archives.

    0.2.0+build.7  ⇄  tag 0.2.0_build.7          no tag holds a `+`: helm writes `_` and reads it back
    (nginx, 1.0.0) ⇄  nginx-1.0.0.tgz            as far as one can be told from the other

Source: semver.org 2.0.0, as helm reads it: a `v` may stand before, numbers may be missing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

_IDENTIFIERS: Final = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_REST: Final = rf"(?:-({_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?"
_NUMBER: Final = r"([0-9]{1,18})"
_VERSION: Final = re.compile(rf"v?{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?{_REST}", re.ASCII)
_WHOLE: Final = re.compile(rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}{_REST}", re.ASCII)
# No name of a repository and a tag together is longer.
_LONGEST_FILE: Final = 400
ARCHIVE: Final = ".tgz"
PROVENANCE: Final = ".tgz.prov"


class Order(NamedTuple):
    """What versions are sorted by. early: 1.0.0-rc.1 comes before 1.0.0; text decides between equals."""

    numbers: tuple[int, int, int]
    is_release: bool
    early: tuple[tuple[bool, int, str], ...]
    text: str


class ArchiveName(NamedTuple):
    chart: str
    version: str


@lru_cache(maxsize=4096)
def order_of(version: str) -> Order | None:
    """None for what is no version."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return None
    major, minor, patch = (int(found[at] or 0) for at in (1, 2, 3))
    early = tuple(_identifier(one) for one in (found[4] or "").split(".") if one)
    return Order((major, minor, patch), not early, early, version)


def newest_first(version: str) -> tuple[bool, Order]:
    """A key for `sorted(…, reverse=True)`: releases, then early versions, then what is no version."""
    order = order_of(version)
    return order is not None, order or Order((0, 0, 0), False, (), version)


def is_early(version: str) -> bool:
    order = order_of(version)
    return order is None or not order.is_release


def tag_of(version: str) -> str:
    return version.replace("+", "_")


def version_of(tag: str) -> str:
    return tag.replace("_", "+")


@lru_cache(maxsize=4096)
def archive_of(chart: str, version: str) -> str:
    """The name of the archive, "" where it could be read as another chart's: `a-1.0.0` of 2.0.0 and `a` of
    1.0.0-2.0.0 would be one file, and who may push the one would answer for the other."""
    file = f"{chart}-{version}"
    return file + ARCHIVE if parse_archive(file) == (chart, version) else ""


def parse_archive(file: str) -> ArchiveName | None:
    """What `<chart>-<version>` names: the longest version at its end that has three numbers, else the longest."""
    if len(file) > _LONGEST_FILE:
        return None
    for grammar in (_WHOLE, _VERSION):
        at = file.find("-")
        while at >= 0:
            if at and grammar.fullmatch(file, at + 1):
                return ArchiveName(file[:at], file[at + 1 :])
            at = file.find("-", at + 1)
    return None


def _identifier(text: str) -> tuple[bool, int, str]:
    """Numbers come before words."""
    is_number = text.isdigit()
    return not is_number, int(text[:400]) if is_number else 0, "" if is_number else text
