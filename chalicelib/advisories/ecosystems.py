"""Packages of languages: where the database has advisories about them, under which names, and how versions compare.

    type of package ─► ecosystem ─► every platform that begins with its prefix: `pip::GitHub Security Advisory Pip` …

Source: Trivy's pkg/detector/library. Types that are not here have no advisories: conda's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chalicelib.packages.models import Package

from .orders import gem, maven, npm, semver
from .orders.ranges import Holds


def _python(version: str, ranges: str) -> bool:
    # Loads `packaging`, which an image without Python has no use for.
    from .orders import pep440

    return pep440.holds(version, ranges)


# Bitnami's builds of one version are counted behind it, and later than the version alone: `7.0.1-2`.
_REVISION: Final = re.compile(r"(\d+\.\d+\.\d+)-(\d{1,18})(?![\w.-])")


def _bitnami(version: str, ranges: str) -> bool:
    return semver.holds(_REVISION.sub(_as_segment, version), _REVISION.sub(_as_segment, ranges))


def _as_segment(found: re.Match[str]) -> str:
    """From 1 on: even the build that is counted 0 is later than the version alone."""
    return f"{found[1]}.{int(found[2]) + 1}"


@dataclass(frozen=True)
class Ecosystem:
    """
    prefix   of its platforms; also says which names are the same: `pip::`, `npm::`
    cased    names that differ in capitals are different ones
    """

    prefix: str
    holds: Holds
    cased: bool = False


_ECOSYSTEMS: Final = {
    "bitnami": Ecosystem("bitnami::", _bitnami),
    "cargo": Ecosystem("cargo::", semver.holds),
    "composer": Ecosystem("composer::", semver.holds),
    "composer-vendor": Ecosystem("composer::", semver.holds),
    "dotnet-core": Ecosystem("nuget::", semver.holds),
    "gemspec": Ecosystem("rubygems::", gem.holds),
    "gobinary": Ecosystem("go::", semver.holds, cased=True),
    "jar": Ecosystem("maven::", maven.holds),
    "node-pkg": Ecosystem("npm::", npm.holds),
    "nuget": Ecosystem("nuget::", semver.holds),
    "packages-props": Ecosystem("nuget::", semver.holds),
    "python-pkg": Ecosystem("pip::", _python),
    "rustbinary": Ecosystem("cargo::", semver.holds),
}


def ecosystem_of(package: Package) -> Ecosystem | None:
    """None for a package of a system, or of a language that nobody publishes advisories for."""
    return _ECOSYSTEMS.get(package.type)


def known_name(package: Package, ecosystem: Ecosystem) -> str:
    """As the database writes it."""
    name = package.name if ecosystem.cased else package.name.lower()
    return name.replace("_", "-") if ecosystem.prefix == "pip::" else name
