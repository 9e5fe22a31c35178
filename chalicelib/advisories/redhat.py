"""Which of Red Hat's advisories concern a package: those for a product that the image's repositories belong to.

    content sets, or the build's name ─► products ("Red Hat CPE") ─► entries of these products and of the architecture

Source: Trivy's pkg/detector/ospkg/redhat and trivy-db's redhat-oval.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from chalicelib.packages.models import Package

from .advisory import Entry
from .database import RED_HAT, Database
from .families import modular
from .orders import rpm

# Repositories of images that say nothing of theirs, by release.
_USUAL: Final = {
    "6": ("rhel-6-server-rpms", "rhel-6-server-extras-rpms"),
    "7": ("rhel-7-server-rpms", "rhel-7-server-extras-rpms"),
    "8": ("rhel-8-for-x86_64-baseos-rpms", "rhel-8-for-x86_64-appstream-rpms"),
    "9": ("rhel-9-for-x86_64-baseos-rpms", "rhel-9-for-x86_64-appstream-rpms"),
}
# What image builds append to a repository's name; `__9_DOT_2` belongs to it.
_APPENDED: Final = re.compile(r"__\d+$")


@dataclass(frozen=True)
class Concern:
    """A vulnerability of a package; fixed: "" for no fix yet. severity and status as numbers."""

    id: str
    vendor_ids: tuple[str, ...]
    fixed: str
    severity: int
    status: int


def lookup_name(package: Package) -> str:
    return modular(package.name, package.modularity)


def products_of(package: Package, release: str, database: Database) -> frozenset[int]:
    """Empty where nobody knows them: then nothing can be said of the package."""
    if package.build:
        named = package.build.get("content_sets", "")
        repositories = tuple(named.split(",")) if named else ()
        build = f"{package.build.get('nvr', '')}-{package.build.get('arch', '')}"
    else:
        repositories, build = _USUAL.get(release, ()), ""
    found = [database.products("repository", _APPENDED.sub("", name.strip())) for name in repositories]
    return frozenset(number for numbers in (*found, database.products("nvr", build)) for number in numbers)


def concerns(package: Package, products: frozenset[int], database: Database) -> Iterator[Concern]:
    """One a vulnerability: the one whose fix is the latest."""
    latest: dict[str, Concern] = {}
    for advisory_id, advisory in database.advisories(RED_HAT, lookup_name(package)).items():
        entries = (entry for entry in advisory.entries or () if _concerns(entry, package, products))
        for concern in _told(advisory_id, entries):
            known = latest.get(concern.id)
            if known is None or rpm.compare(known.fixed, concern.fixed) < 0:
                latest[concern.id] = concern
    return (latest[vulnerability_id] for vulnerability_id in sorted(latest))


def _concerns(entry: Entry, package: Package, products: frozenset[int]) -> bool:
    architectures = entry.architectures or ()
    everywhere = not architectures or package.arch == "noarch"
    return not products.isdisjoint(entry.products or ()) and (everywhere or package.arch in architectures)


def _told(advisory_id: str, entries: Iterable[Entry]) -> Iterator[Concern]:
    """What has no fix lies under the vulnerability's id, the rest under that of the advisory."""
    unfixed = advisory_id.startswith("CVE-")
    for entry in entries:
        for one in entry.concerned or ():
            yield Concern(
                id=advisory_id if unfixed else one.id,
                vendor_ids=() if unfixed else (advisory_id,),
                fixed=entry.fixed,
                severity=one.severity,
                status=entry.status,
            )
