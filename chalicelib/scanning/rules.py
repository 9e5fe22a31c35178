"""What a report comes to: state, counts, ids. Pure; whatever was not examined never counts 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from chalicelib.advisories.models import SEVERITIES, Severity
from chalicelib.findings.models import Found, Reason, ScanDetail, ScanRecord, ScanStateName

from .models import Report, ReportedFinding

# How many unreadable files a message names.
_NAMED: Final = 3

Outcome = tuple[ScanStateName, Reason, str]


def outcome(report: Report) -> Outcome:
    """State, reason and message of an image whose layers were all read."""
    if not report.database:
        return "failed", "no_database", "there is no vulnerability database yet; import one and it is judged by that"
    # Only for whoever examines: functions that show findings do without.
    from chalicelib.advisories.system_matching import of_system as is_of_system

    system = report.inventory.system
    of_system = any(is_of_system(one.package, system) for one in report.inventory.packages)
    if report.examined == 0:
        return _nothing_examined(report)
    if not report.supported and (system is not None or of_system):
        name = f"{system.family} {system.name}" if system else "its system"
        return "partial", "unsupported_system", f"nobody publishes advisories for {name}; only libraries were examined"
    if system is not None and not of_system:
        message = f"none of the packages of {system.family} {system.name} were found; only libraries were examined"
        return "partial", "nothing_recognised", message
    if report.inventory.problems:
        return "partial", "unreadable_files", problems_told(report.inventory.problems)
    if report.demonstration:
        message = "the demonstration database knows a few vulnerabilities only; import the real one"
        return "partial", "demonstration_database", message
    return "succeeded", "", ""


def _nothing_examined(report: Report) -> Outcome:
    system = report.inventory.system
    if report.inventory.problems:
        return "unsupported", "unreadable_files", problems_told(report.inventory.problems)
    if system is not None and not report.supported:
        message = f"nobody publishes advisories for {system.family} {system.name}"
        return "unsupported", "unsupported_system", message
    return "unsupported", "nothing_recognised", "no packages were found that anything is known about"


def problems_told(problems: Mapping[str, str]) -> str:
    named = [f"{path}: {problem}" for path, problem in sorted(problems.items())]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"files could not be read: {'; '.join(named[:_NAMED])}{more}"


def counted(findings: Iterable[ReportedFinding], now: datetime) -> dict[str, Any]:
    """The fields of a record that count findings."""
    found: dict[str, Any] = dict.fromkeys((*SEVERITIES, "silenced", "fixable"), 0)
    until: list[str] = []
    for finding in findings:
        if not finding.counts(now):
            found["silenced"] += 1
            until += [finding.silenced.expires_at] if finding.silenced and finding.silenced.expires_at else []
            continue
        found[finding.severity] += 1
        found["fixable"] += bool(finding.fixed)
    return {**found, "silenced_until": min(until, default="")}


def detail(findings: Sequence[ReportedFinding], now: datetime, names: bytes) -> ScanDetail:
    ids: dict[Severity, set[str]] = {severity: set() for severity in SEVERITIES}
    silenced: dict[str, tuple[Severity, str]] = {}
    for finding in findings:
        if finding.counts(now):
            ids[finding.severity].add(finding.id)
        elif finding.silenced is not None:
            seen = silenced.get(finding.id, (finding.severity, finding.silenced.expires_at))
            silenced[finding.id] = _stricter(seen, (finding.severity, finding.silenced.expires_at))
    told = {severity: tuple(sorted(found)) for severity, found in ids.items() if found}
    return ScanDetail(ids=told, silenced=silenced, names=names, found=_found(findings))


def _found(findings: Iterable[ReportedFinding]) -> tuple[Found, ...]:
    """Each once, wherever in the image its package lies; one that counts anywhere counts. The gravest first."""
    found: dict[Found, str | None] = {}
    for one in findings:
        until = one.silenced.expires_at if one.silenced else None
        key = Found(one.id, one.vendor_ids, one.package, one.type, one.installed, one.fixed, one.severity, None)
        found[key] = until if found.get(key, until) is not None else None
    told = [key._replace(silenced_until=until) for key, until in found.items()]
    return tuple(sorted(told, key=lambda one: (SEVERITIES.index(one.severity), one.id, one.package, one.installed)))


def _stricter(one: tuple[Severity, str], other: tuple[Severity, str]) -> tuple[Severity, str]:
    """The graver of two, until the earlier of both ends."""
    severity = min(one[0], other[0], key=SEVERITIES.index)
    ends = [until for until in (one[1], other[1]) if until]
    return severity, min(ends, default="")


def joined_details(details: Iterable[ScanDetail]) -> ScanDetail:
    """Of an index: what counts for one of its platforms counts for it."""
    ids: dict[Severity, set[str]] = {}
    silenced: dict[str, tuple[Severity, str]] = {}
    for one in details:
        for severity, found in one.ids.items():
            ids.setdefault(severity, set()).update(found)
        for known, told in one.silenced.items():
            silenced[known] = _stricter(silenced.get(known, told), told)
    return ScanDetail(ids={severity: tuple(sorted(found)) for severity, found in ids.items()}, silenced=silenced)


def joined_outcome(children: Sequence[ScanRecord]) -> Outcome:
    """Of an index, from those of its images."""
    if not children:
        return "unsupported", "nothing_recognised", "it lists no image that runs on any platform"
    worst = next((child for child in children if child.state == "failed"), None)
    worst = worst or next((child for child in children if child.state != "succeeded"), None)
    if worst is None:
        return "succeeded", "", ""
    if any(child.examined for child in children):
        return "partial", worst.reason, worst.message
    state: ScanStateName = "unsupported" if worst.state == "unsupported" else "failed"
    return state, worst.reason, worst.message


def unfinished(record: ScanRecord) -> bool:
    return record.state in ("queued", "running")


def same_judgement(record: ScanRecord, engine: str, database: str) -> bool:
    """Whether another scan would find out nothing else."""
    settled = record.state in ("succeeded", "partial", "unsupported")
    return settled and record.engine == engine and record.database == database


def identity(finding: ReportedFinding) -> tuple[str, str, str, str, str]:
    """Findings of two platforms that are one to people."""
    return finding.id, finding.type, finding.package, finding.installed, finding.path
