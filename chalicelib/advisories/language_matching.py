"""Which advisories concern the packages of languages that are installed.

Several publishers may have advisories about one package, each on a platform of its own; of a vulnerability that two of
them tell of the one counts whose platform comes last by name, as in Trivy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from chalicelib.packages.models import Installed, Package
from chalicelib.packages.purls import purl

from .advisory import Advisory
from .database import Database
from .ecosystems import Ecosystem, ecosystem_of, known_name
from .models import Finding
from .orders.ranges import Holds, affected
from .severities import Severities
from .suppliers import supplied

# Packages that are installed in several places are looked up once.
_REMEMBERED = 4_096


def lookups(package: Package) -> list[tuple[str, str]]:
    """Prefixes of platforms (`pip::`), and the name there, that matching the package reads; none for what cannot be
    matched: without a version, or of a language without advisories."""
    ecosystem = ecosystem_of(package)
    if ecosystem is None or not package.version:
        return []
    name = known_name(package, ecosystem)
    other = supplied(name, package.version, ecosystem)
    own = [] if other and other.certain else [(ecosystem.prefix, name)]
    return [*([(other.prefix, name)] if other else []), *own]


def match_languages(installed: Sequence[Installed], database: Database) -> Iterator[Finding]:
    """By package in the order given, then by id. Raises DatabaseCorrupt."""
    matching = _Matching(database)
    for one in installed:
        ecosystem = ecosystem_of(one.package)
        if ecosystem and one.package.version:
            yield from matching.findings(one, ecosystem)


class _Matching:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._severities = Severities(database)
        self._platforms = lru_cache(None)(database.platforms)
        self._advisories = lru_cache(_REMEMBERED)(self._read)

    def findings(self, one: Installed, ecosystem: Ecosystem) -> Iterator[Finding]:
        package = one.package
        advisories, holds = self._about(package, ecosystem)
        for vulnerability_id, advisory in sorted(advisories.items()):
            if affected(package.version, advisory, holds):
                fixed = _fixed(advisory)
                severity, rater = self._severities.rate(vulnerability_id, advisory.source)
                yield Finding(
                    id=vulnerability_id,
                    vendor_ids=advisory.vendor_ids or (),
                    type=package.type,
                    package=package.name,
                    purl=purl(package, None),
                    installed=package.version,
                    fixed=fixed,
                    status="fixed" if fixed else "affected",
                    severity=severity,
                    severity_source=rater,
                    source=advisory.source.id,
                    path=package.path,
                    layer=one.layer,
                )

    def _about(self, package: Package, ecosystem: Ecosystem) -> tuple[Mapping[str, Advisory], Holds]:
        name = known_name(package, ecosystem)
        other = supplied(name, package.version, ecosystem)
        if other:
            advisories = self._advisories(other.prefix, name)
            if advisories or other.certain:
                return advisories, other.holds
        return self._advisories(ecosystem.prefix, name), ecosystem.holds

    def _read(self, prefix: str, name: str) -> Mapping[str, Advisory]:
        found: dict[str, Advisory] = {}
        for platform in self._platforms(prefix):
            found |= self._database.advisories(platform, name)
        return found


def _fixed(advisory: Advisory) -> str:
    """What is patched; where nothing is said of that, the ends of the vulnerable ranges: `< 1.2`, not `<= 1.2`."""
    versions = advisory.patched or [
        bound.removeprefix("<").strip()
        for ranges in advisory.vulnerable or ()
        for bound in map(str.strip, ranges.split(","))
        if bound.startswith("<") and not bound.startswith("<=")
    ]
    return ", ".join(dict.fromkeys(versions))
