"""Versions of Python packages. `packaging` reads and orders them; ranges are read here, since those of advisories are
looser: alternatives, `=` for `==`, versions alone, and early versions count as every other: `2.0rc1` lies in `< 2.0`.

Source: PEP 440, and Trivy's go-pep440-version of 2026-02. A local label (`+cu118`) counts only where the range has one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from packaging.version import Version

from .ranges import Ranges, Unreadable

if TYPE_CHECKING:
    from packaging.specifiers import Specifier

_WRITTEN: Final = (
    r"v?(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*"
    r"(?:[-_.]?(?:alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?:[0-9]+)?)?"
    r"(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?(?:[0-9]+)?)?"
    r"(?:[-_.]?dev[-_.]?(?:[0-9]+)?)?"
    r"(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?"
    r"(?:\.\*)?"
)
_EQUALITIES: Final = ("", "=", "==")


class Bound(NamedTuple):
    """start: `1.2.*`, with which versions begin."""

    text: str
    version: Version
    start: bool


def read(text: str) -> Version:
    try:
        return Version(text)
    except ValueError as error:
        raise Unreadable(f"no version: {text[:80]}") from error


def compare(one: str, other: str) -> int:
    """Raises Unreadable."""
    first, second = read(one), read(other)
    return (first > second) - (first < second)


def _bound(text: str) -> Bound:
    return Bound(text, read(text.removesuffix(".*")), text.endswith(".*"))


def _public(version: Version) -> Version:
    return Version(version.public) if version.local else version


def _whole(version: Version) -> Version:
    return version


@lru_cache(maxsize=1_024)
def _specifier(text: str) -> Specifier:
    # Few advisories need it, and it loads five times what the rest does.
    from packaging.specifiers import InvalidSpecifier, Specifier

    try:
        return Specifier(text, prereleases=True)
    except InvalidSpecifier as error:
        raise Unreadable(str(error)) from error


def _ranges(labels: bool) -> Ranges[Version, Bound]:
    """labels: local ones count everywhere, and may stand in every bound."""
    seen = _whole if labels else _public

    def equal(version: Version, bound: Bound) -> bool:
        if bound.start:
            return _specifier(f"=={bound.text}").contains(version)
        return (version if bound.version.local else seen(version)) == bound.version

    def newer(version: Version, bound: Bound) -> bool:
        """A post release is not newer than the release that it mends."""
        mends = version.is_postrelease and Version(version.base_version) == Version(bound.version.base_version)
        return seen(version) > bound.version and (bound.version.is_postrelease or not mends)

    def compatible(version: Version, bound: Bound) -> bool:
        return seen(version) >= bound.version and _specifier(f"~={bound.version.public}").contains(version)

    def admits(sign: str, bound: Bound) -> bool:
        if sign in (*_EQUALITIES, "!="):
            return not bound.start or not (bound.version.is_devrelease or bound.version.local)
        long_enough = sign != "~=" or len(bound.version.release) > 1
        return not bound.start and (labels or not bound.version.local) and long_enough

    operators: dict[str, Callable[[Version, Bound], bool]] = {
        **dict.fromkeys(_EQUALITIES, equal),
        "!=": lambda version, bound: not equal(version, bound),
        "===": lambda version, bound: version == bound.version,
        ">": newer,
        "<": lambda version, bound: seen(version) < bound.version,
        ">=": lambda version, bound: seen(version) >= bound.version,
        "<=": lambda version, bound: seen(version) <= bound.version,
        "~=": compatible,
    }
    return Ranges(version=read, bound=_bound, written=_WRITTEN, operators=operators, admits=admits)


_PUBLIC: Final = _ranges(labels=False)
_LABELLED: Final = _ranges(labels=True)


def holds(version: str, ranges: str) -> bool:
    return _PUBLIC.hold(version, _without_stars(ranges))


def holds_with_labels(version: str, ranges: str) -> bool:
    """For makers who mend a release under a label of their own: `< 4.2.8+sp3`."""
    return _LABELLED.hold(version, _without_stars(ranges))


def _without_stars(ranges: str) -> str:
    return "||".join(">=0.0.0" if each.strip() == "*" else each for each in ranges.split("||"))
