"""What a system's packages have, by its makers' advisories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chalicelib.packages.models import Installed, OperatingSystem, Package
from chalicelib.packages.purls import purl

from .advisory import Advisory, Entry, severity_of, status_of
from .database import RED_HAT, Database
from .families import FAMILIES, RED_HATS, Family, installed_version, major, rounded, source_version
from .models import Finding, Status
from .orders import rpm
from .rebuilders import Rebuilt, rebuilt_by
from .redhat import concerns, products_of
from .severities import Severities

# How inventories name packages of a system.
SYSTEM_TYPES: Final = frozenset({"dpkg", "apk", "rpm"})
# Keys of signatures, which rpm lists like packages.
_NO_PACKAGE: Final = "gpg-pubkey"


@dataclass(frozen=True)
class Matched:
    """supported: everything of the system could be looked up. examined: how many packages were."""

    findings: Sequence[Finding]
    supported: bool
    examined: int


NOTHING: Final = Matched(findings=(), supported=False, examined=0)


def of_system(package: Package, system: OperatingSystem | None) -> bool:
    return package.type in SYSTEM_TYPES or (system is not None and package.type == system.family)


def match_system(
    system: OperatingSystem | None, installed: Sequence[Installed], database: Database, now: datetime
) -> Matched:
    """installed: what the system's manager installed, and nothing else. now: aware."""
    if system is None:
        return NOTHING
    rebuilt = rebuilt_by(system, (one.package for one in installed))
    if rebuilt:
        return _match_rebuilt(rebuilt, installed, database, now)
    return _match(system, installed, database, now)


def _match(system: OperatingSystem, installed: Sequence[Installed], database: Database, now: datetime) -> Matched:
    if system.family in RED_HATS:
        return _match_red_hat(system, installed, database)
    family = FAMILIES.get(system.family)
    platform = family.platform_of(system, now) if family else ""
    if family is None or not database.knows(platform):
        return NOTHING
    return _Matching(family, platform, system, database).match(installed)


class _Matching:
    """Of one image of one family, which is not Red Hat's."""

    def __init__(self, family: Family, platform: str, system: OperatingSystem, database: Database) -> None:
        self._family, self._platform, self._system, self._database = family, platform, system, database
        self._severities = Severities(database)

    def match(self, installed: Iterable[Installed]) -> Matched:
        findings: list[Finding] = []
        examined = 0
        for one in installed:
            version = self._family.version_of(one.package)
            if _concerns_system(one.package, self._family) and version and self._family.valid(version):
                examined += 1
                findings += self._findings(one, version)
        return Matched(findings=once(findings), supported=True, examined=examined)

    def _findings(self, one: Installed, version: str) -> Iterator[Finding]:
        named = self._database.advisories(self._platform, self._family.name_of(one.package))
        for vulnerability_id, advisory in named.items():
            for said in _said(advisory, one.package, self._family):
                if self._has(version, said.fixed, advisory.introduced):
                    yield self._finding(vulnerability_id, advisory, said.fixed, one)

    def _has(self, version: str, fixed: str, introduced: str) -> bool:
        family = self._family
        if introduced and not (family.valid(introduced) and family.order(introduced, version) <= 0):
            return False
        if not fixed:
            return family.unfixed
        return family.valid(fixed) and family.order(version, fixed) < 0

    def _finding(self, vulnerability_id: str, advisory: Advisory, fixed: str, one: Installed) -> Finding:
        family, package = self._family, one.package
        own = (severity_of(advisory.severity), family.own) if family.own and advisory.severity else None
        severity, severity_source = self._severities.rate(vulnerability_id, advisory.source, own)
        return Finding(
            id=vulnerability_id,
            vendor_ids=(advisory.vendor_ids or ()) if family.own == "debian" else (),
            type=package.type,
            package=package.name,
            purl=purl(package, self._system),
            installed=source_version(package) if family.own == "echo" else installed_version(package),
            fixed=rounded(fixed) if family.rounded else fixed,
            status=_status(fixed, advisory.status if family.own else 0),
            severity=severity,
            severity_source=severity_source,
            source=advisory.source.id,
            path=package.path,
            layer=one.layer,
        )


def _match_rebuilt(rebuilt: Rebuilt, installed: Sequence[Installed], database: Database, now: datetime) -> Matched:
    """What was not rebuilt is matched as ever, but for where it says that it comes from."""
    theirs = [one for one in installed if rebuilt.concerns(one.package) and one.package.name != _NO_PACKAGE]
    theirs = [one for one in theirs if not (rebuilt.whole and one.package.third_party)]
    others = [one for one in installed if not rebuilt.concerns(one.package)]
    system = rebuilt.system.model_copy(update={"stream": ""})
    matched = Matched((), True, 0) if rebuilt.whole else _match(system, others, database, now)
    severities = Severities(database)
    findings = [finding for one in theirs for finding in _rebuilt_findings(rebuilt, one, severities, database)]
    known = all(any(map(database.knows, rebuilt.platforms(one.package))) for one in theirs)
    return Matched(
        findings=(*matched.findings, *once(findings)),
        supported=matched.supported and known,
        examined=matched.examined + (len(theirs) if known else 0),
    )


def _rebuilt_findings(
    rebuilt: Rebuilt, one: Installed, severities: Severities, database: Database
) -> Iterator[Finding]:
    package = one.package
    for vulnerability_id, advisory in rebuilt.advisories(package, database).items():
        fixed = rebuilt.fixed(package, advisory)
        if fixed is None:
            continue
        own = (severity_of(advisory.severity), rebuilt.rater(advisory)) if advisory.severity else None
        severity, severity_source = severities.rate(vulnerability_id, advisory.source, own)
        yield Finding(
            id=vulnerability_id,
            type=package.type,
            package=package.name,
            purl=purl(package, rebuilt.system),
            installed=installed_version(package),
            fixed=fixed,
            status=_status(fixed, 0),
            severity=severity,
            severity_source=severity_source,
            source=advisory.source.id,
            path=package.path,
            layer=one.layer,
        )


def _match_red_hat(system: OperatingSystem, installed: Sequence[Installed], database: Database) -> Matched:
    """A package whose products nobody knows makes the system one that could not be examined whole."""
    release = major(system, datetime.min)
    findings: list[Finding] = []
    examined, unknown = 0, not database.knows(RED_HAT)
    for one in installed:
        if one.package.third_party or one.package.name == _NO_PACKAGE:
            continue
        products = products_of(one.package, release, database)
        unknown = unknown or not products
        examined += bool(products)
        findings += _red_hat_findings(one, products, system, database)
    return Matched(findings=once(findings), supported=not unknown, examined=examined)


def _red_hat_findings(
    one: Installed, products: frozenset[int], system: OperatingSystem, database: Database
) -> Iterator[Finding]:
    installed = installed_version(one.package)
    for concern in concerns(one.package, products, database):
        if not concern.fixed or rpm.compare(installed, concern.fixed) < 0:
            yield Finding(
                id=concern.id,
                vendor_ids=concern.vendor_ids,
                type=one.package.type,
                package=one.package.name,
                purl=purl(one.package, system),
                installed=installed,
                fixed=rounded(concern.fixed),
                status=_status(concern.fixed, concern.status),
                severity=severity_of(concern.severity),
                severity_source="redhat",
                path=one.package.path,
                layer=one.layer,
            )


def _concerns_system(package: Package, family: Family) -> bool:
    """Advisories of a system's makers describe packages of theirs only."""
    others = package.third_party and not family.third_party
    # Of AlmaLinux's modules without a label, nothing says which module they belong to.
    unlabelled = family.platform == "alma" and ".module_el" in package.release and not package.modularity
    return not others and not unlabelled and package.name != _NO_PACKAGE


def _said(advisory: Advisory, package: Package, family: Family) -> Iterable[Entry]:
    """Each says a fixed version; several do so where it differs by architecture or flavour."""
    entries: Iterable[Entry] = (Entry(fixed=advisory.fixed),)
    if family.by_architecture and advisory.entries:
        entries = [entry for entry in advisory.entries if package.arch in (entry.architectures or ())]
    if family.platform == "Oracle Linux":
        entries = [entry for entry in entries if _flavour(entry.fixed) == _flavour(package.release)]
    return entries


def _flavour(version: str) -> str:
    """Oracle's packages that are patched while they run, or certified, have versions of their own."""
    lower = version.lower()
    if lower.endswith("_fips"):
        return "fips"
    return "ksplice" if any(part.startswith("ksplice") for part in lower.split(".")) else ""


def _status(fixed: str, own: int) -> Status:
    return "fixed" if fixed else status_of(own) if own else "affected"


def once(findings: Iterable[Finding]) -> Sequence[Finding]:
    """The same vulnerability of the same package once, with the fixed version whose text sorts last, as Trivy does.

    rpm lists a package once for each architecture; dpkg's architectures of one version count as one.
    """
    kept: dict[tuple[str, ...], Finding] = {}
    for finding in findings:
        whole = finding.purl if finding.purl.startswith("pkg:rpm/") else ""
        key = (finding.id, finding.package, finding.installed, finding.path, whole)
        known = kept.get(key)
        if known is None or known.fixed < finding.fixed:
            kept[key] = finding
    return tuple(kept.values())
