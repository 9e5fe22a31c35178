"""Systems whose packages somebody else rebuilt with fixes of their own: theirs are the advisories that count.

    Root.io   a version says so, `1.2.3-4.root.io.1`: its advisories, and the makers' where it has none of its own
    Seal      a name says so, `seal-openssl`: its advisories for these packages, the makers' for the others

Their advisories are ranges of versions, like those of languages. Source: Trivy's pkg/detector/ospkg/{rootio,seal}.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from chalicelib.packages.models import OperatingSystem, Package

from .advisory import Advisory
from .database import Database
from .families import FAMILIES, Order, installed_version, source_version
from .orders import apk, dpkg, rpm

_ROOT_IO: Final = {
    "debian": re.compile(r"\.root\.io"),
    "ubuntu": re.compile(r"\.root\.io"),
    "alpine": re.compile(r"-r\d007\d"),
}
_SEAL_PLATFORMS: Final = {
    "alpine": "seal alpine",
    "debian": "seal debian",
    "ubuntu": "seal debian",
    "cbl-mariner": "seal Red Hat",
    "centos": "seal Red Hat",
    "redhat": "seal Red Hat",
    "oracle": "seal Red Hat",
}
_BOUND: Final = re.compile(r"(>=|<=|>|<|==|!=|=)?\s*([0-9]+[0-9a-zA-Z.\-+~:_^]*)")
_HOLDS: Final = {
    "<": lambda compared: compared < 0,
    "<=": lambda compared: compared <= 0,
    ">": lambda compared: compared > 0,
    ">=": lambda compared: compared >= 0,
    "!=": lambda compared: compared != 0,
}
_SEAL: Final = "seal-"


@dataclass(frozen=True)
class Rebuilt:
    """Who rebuilt an image's packages. own_severity_of: whether its severities are told under its own name."""

    system: OperatingSystem
    whole: bool

    def concerns(self, package: Package) -> bool:
        return self.whole or _sealed(package)

    def platforms(self, package: Package) -> list[str]:
        """Later ones count for what several of them know."""
        family = self.system.family
        if self.whole:
            release = _release(self.system)
            return [f"{family} {release}", f"root.io {family} {release}"]
        platform = _SEAL_PLATFORMS[family]
        release = _el(package.source_release if package.source_name else package.release)
        return [f"{platform} {release}".rstrip() if platform.endswith("Red Hat") else platform]

    def advisories(self, package: Package, database: Database) -> Mapping[str, Advisory]:
        """As ranges, whoever they are of; those of Seal that say none say nothing."""
        found: dict[str, Advisory] = {}
        for platform in self.platforms(package):
            found |= database.advisories(platform, name_of(package))
        if self.whole:
            return {vulnerability_id: _as_range(one) for vulnerability_id, one in found.items()}
        return {vulnerability_id: one for vulnerability_id, one in found.items() if one.vulnerable}

    def fixed(self, package: Package, advisory: Advisory) -> str | None:
        """The versions that mend it, "" for none; None where the package has no such vulnerability."""
        order = _order(self.system.family)
        installed = source_version(package)
        ranges, patched = advisory.vulnerable or (), advisory.patched or ()
        if self.whole or len(ranges) == 1:
            concerned = not ranges or _any_holds(installed, ranges, order)
            return ", ".join(patched) if concerned else None
        # Of Seal, each range has its own fix.
        pairs = zip(ranges, (*patched, *[""] * len(ranges)), strict=False)
        return max((fix for one, fix in pairs if _any_holds(installed, (one,), order)), default=None)

    def rater(self, advisory: Advisory) -> str:
        """Under whose name its own severities stand."""
        return advisory.source.id if self.whole else advisory.source.base_id


def rebuilt_by(system: OperatingSystem, packages: Iterable[Package]) -> Rebuilt | None:
    """None for a system as its makers built it."""
    listed = list(packages)
    pattern = _ROOT_IO.get(system.family)
    if pattern and any(pattern.search(installed_version(package)) for package in listed):
        return Rebuilt(system, whole=True)
    if system.family in _SEAL_PLATFORMS and any(map(_sealed, listed)):
        return Rebuilt(system, whole=False)
    return None


def name_of(package: Package) -> str:
    return package.source_name or package.name


def _sealed(package: Package) -> bool:
    return package.name.lower().startswith(_SEAL) or package.source_name.lower().startswith(_SEAL)


def _release(system: OperatingSystem) -> str:
    return ".".join(system.name.split(".")[: 1 if system.family == "debian" else 2])


def _el(release: str) -> str:
    """`9.el10_0.1` → `10`"""
    return re.split("[_+]", release.partition("el")[2])[0]


def _order(family: str) -> Order:
    return FAMILIES[family].order if family in FAMILIES else rpm.compare


def _as_range(advisory: Advisory) -> Advisory:
    if not advisory.fixed:
        return advisory
    return msgspec.structs.replace(advisory, vulnerable=(f"<{advisory.fixed}",), patched=(advisory.fixed,), fixed="")


def _any_holds(version: str, ranges: Iterable[str], order: Order) -> bool:
    """Ranges after one that cannot be read are not looked at."""
    for bounds in ranges:
        read = [_BOUND.fullmatch(bound) for bound in _bounds(bounds)]
        if not version or not read or not all(read):
            return False
        matches = [(one[1] or "=", one[2]) for one in read if one]
        if not all(_comparable(text, order) for text in (version, *(bound for _, bound in matches))):
            return False
        if all(_holds(sign, order(version, bound)) for sign, bound in matches):
            return True
    return False


def _bounds(text: str) -> Iterator[str]:
    parts = text.split(",") if "," in text else text.split()
    return (part.strip() for part in parts if part.strip())


def _holds(sign: str, compared: int) -> bool:
    return _HOLDS[sign](compared) if sign in _HOLDS else compared == 0


def _comparable(version: str, order: Order) -> bool:
    if order is dpkg.compare:
        return dpkg.valid(version)
    return apk.valid(version) if order is apk.compare else True
