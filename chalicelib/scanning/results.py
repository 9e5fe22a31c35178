"""Results of scans: report first, record second, the report before last.

    write report object ─► record and detail name it (at the version seen) ─► indexes that list the image are joined
                                                                          └─► the report before goes

Whoever examines an image, the first time or again, stores what came of it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from chalicelib.advisories.models import Examination, Finding
from chalicelib.findings.models import ScanRecord
from chalicelib.findings.service import Findings
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.moment import to_text
from chalicelib.ports.stack import Stack

from . import rules
from .models import Failure, Report, ReportedFinding, Silenced
from .reports import Reports

if TYPE_CHECKING:
    from chalicelib.findings.vex import Silencers

# Repositories that a record names, of all that hold the image.
_MOST_REPOSITORIES: Final = 20
# Indexes that a record names, the newest: each build of one makes another, and a row has its bounds.
_MOST_PARENTS: Final = 100
# Images of one index that are judged at the same time meet at its row this often at most.
_ATTEMPTS: Final = 20


def judged(
    report: Report,
    examination: Examination,
    *,
    engine: str,
    database: str,
    database_updated_at: str,
    demonstration: bool = False,
    silencers: Silencers,
    now: datetime,
) -> Report:
    """The report with what came of examining its inventory now.

    database, database_updated_at   digest and age of the database that it was examined by, "" for none
    demonstration                   it is the one for a first look
    """
    return report.model_copy(
        update={
            "engine": engine,
            "database": database,
            "database_updated_at": database_updated_at,
            "demonstration": demonstration,
            "scanned_at": to_text(now),
            "supported": examination.supported,
            "examined": examination.examined,
            "end_of_life": examination.end_of_life,
            "findings": tuple(_reported(finding, silencers, report.digest) for finding in examination.findings),
        }
    )


def _reported(finding: Finding, silencers: Silencers, digest: str) -> ReportedFinding:
    silence = silencers.of(finding, digest)
    told = None
    if silence is not None:
        told = Silenced(reason=silence.reason, expires_at=silence.expires_at, document=silence.document)
    return ReportedFinding(**{**dict(finding), "silenced": told})


class Results:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._findings = Findings(stack)
        self._reports = Reports(stack)

    def store(self, instance: Instance, report: Report, *, repository_id: str = "", parent: str = "") -> ScanRecord:
        """What a scan of one image came to. Safe to repeat.

        repository_id   one that holds it; parent: index that it is scanned for, which is joined by whoever scans it
        """
        now = self._stack.clock.now()
        state, reason, message = rules.outcome(report)
        system = report.inventory.system
        told: dict[str, Any] = {
            "state": state,
            "reason": reason,
            "message": message,
            "engine": report.engine,
            "database": report.database,
            "database_updated_at": report.database_updated_at,
            "scanned_at": report.scanned_at,
            "system": f"{system.family} {system.name}".strip() if system else "",
            "end_of_life": report.end_of_life,
            "packages": len(report.inventory.packages),
            "report": self._reports.write(instance, report),
            "task": "",
            **rules.counted(report.findings, now),
        }
        before: list[ScanRecord] = []

        def change(record: ScanRecord) -> ScanRecord:
            before[:] = [record]
            return record.model_copy(update={**told, **_held(record, repository_id, parent)})

        from chalicelib.advisories.fingerprints import fingerprints  # Only for whoever examines.

        detail = rules.detail(report.findings, now, fingerprints(report.inventory))
        record = self._findings.change(instance.id, report.digest, change, detail)
        for index in record.parents:
            if index != parent:
                self.rejoin(instance, index)
        self._reports.clear(instance, report.digest, record.report, gone=before[0].report)
        return record

    def fail(
        self, instance: Instance, digest: str, failure: Failure, *, repository_id: str = "", parent: str = ""
    ) -> ScanRecord:
        """A scan broke off. What an earlier one found out holds still: content never changes."""

        def change(record: ScanRecord) -> ScanRecord:
            if record.examined or record.state == "unsupported":
                return record.model_copy(update=_held(record, repository_id, parent))
            state = "unsupported" if failure.reason == "nothing_recognised" else "failed"
            broken = {"state": state, "reason": failure.reason, "message": failure.message, "task": ""}
            at = {"scanned_at": to_text(self._stack.clock.now())}
            return record.model_copy(update={**broken, **at, **_held(record, repository_id, parent)})

        return self._findings.change(instance.id, digest, change)

    def note(
        self, instance: Instance, digest: str, *, state: str, task: str, repository_id: str = "", parent: str = ""
    ) -> ScanRecord:
        """A task looks after the image, which lies there. Of what was scanned before, the earlier result is shown, and
        judges pulls, until there is another."""

        def change(record: ScanRecord) -> ScanRecord:
            known = record.examined or record.state == "unsupported"
            noted = {} if known else {"state": state, "task": task, "reason": "", "message": ""}
            return record.model_copy(update={**noted, **_held(record, repository_id, parent)})

        return self._findings.change(instance.id, digest, change)

    def hold(self, instance: Instance, digest: str, repository_id: str, parent: str = "") -> ScanRecord:
        """A repository holds the image, and an index lists it. One that nobody scanned gets no row by this."""

        def change(record: ScanRecord) -> ScanRecord:
            return record if not record.version else record.model_copy(update=_held(record, repository_id, parent))

        return self._findings.change(instance.id, digest, change)

    def drop(self, instance: Instance, digest: str, task: str, failure: Failure) -> None:
        """The task has ended: what it was going to scan waits for nobody any more."""

        def change(record: ScanRecord) -> ScanRecord:
            if not rules.unfinished(record) or record.task != task:
                return record
            broken = {"state": "failed", "reason": failure.reason, "message": failure.message, "task": ""}
            return record.model_copy(update=broken)

        self._findings.change(instance.id, digest, change)

    # Indexes

    def join(self, instance: Instance, index: str, children: Sequence[str], *, repository_id: str = "") -> ScanRecord:
        """The row of an index, from those of the images that it lists. One without a row is not here."""
        for _ in range(_ATTEMPTS):
            # First the row, then its images': whoever joins by an older state of them finds the row changed.
            seen = self._findings.of(instance.id, index)
            found = self._findings.several(instance.id, children)
            records = [found.get(child) or _missing(instance, child) for child in children]
            told = {**self._joined(instance, records), "children": tuple(children), "task": ""}
            details = self._findings.details(instance.id, children)
            change = _unless_moved(seen.version if seen else 0, told, repository_id)
            try:
                return self._findings.change(instance.id, index, change, rules.joined_details(details.values()))
            except _Moved:
                continue
        raise Unavailable

    def rejoin(self, instance: Instance, index: str) -> None:
        """One of the images of an index has another result. One that is being scanned is joined at its end."""
        record = self._findings.of(instance.id, index)
        if record is not None and record.children and not rules.unfinished(record):
            self.join(instance, index, record.children)

    def _joined(self, instance: Instance, records: Sequence[ScanRecord]) -> Mapping[str, Any]:
        now = self._stack.clock.now()
        state, reason, message = rules.joined_outcome(records)
        told: dict[str, Any] = {
            "state": state,
            "reason": reason,
            "message": message,
            "scanned_at": min((record.scanned_at for record in records), default=to_text(now)),
            "end_of_life": any(record.end_of_life for record in records),
            "packages": max((record.packages for record in records), default=0),
            "report": "",
        }
        for name in ("engine", "database", "database_updated_at", "system"):
            told[name] = _common(getattr(record, name) for record in records)
        findings = self._union(instance, records)
        return {**told, **rules.counted(findings, now)}

    def _union(self, instance: Instance, records: Sequence[ScanRecord]) -> Iterable[ReportedFinding]:
        """Findings of all images, each once; one that counts for some of them counts."""
        now, union = self._stack.clock.now(), dict[tuple[str, ...], ReportedFinding]()
        for record in records:
            if not record.examined:
                continue
            for finding in self._reports.read(instance, record).findings:
                seen = union.setdefault(rules.identity(finding), finding)
                if finding.counts(now) and not seen.counts(now):
                    union[rules.identity(finding)] = finding
        return union.values()


class _Moved(Exception):
    """The row was changed since it was seen."""


def _unless_moved(version: int, told: Mapping[str, Any], repository_id: str) -> Callable[[ScanRecord], ScanRecord]:
    def change(record: ScanRecord) -> ScanRecord:
        if record.version != version:
            raise _Moved
        return record.model_copy(update={**told, **_held(record, repository_id, "")})

    return change


def _missing(instance: Instance, digest: str) -> ScanRecord:
    told = f"image {digest} is listed, but not here"
    return ScanRecord(instance_id=instance.id, digest=digest, state="failed", reason="missing_layer", message=told)


def _held(record: ScanRecord, repository_id: str, parent: str) -> dict[str, Any]:
    known, parents = record.repositories, record.parents
    if repository_id and repository_id not in known:
        known = (*known, repository_id)[-_MOST_REPOSITORIES:]
    if parent and parent not in parents:
        parents = (*parents, parent)[-_MOST_PARENTS:]
    return {"repositories": known, "parents": parents}


def _common(values: Iterable[str]) -> str:
    """What all of them say, "" where they differ."""
    different = set(values)
    return different.pop() if len(different) == 1 else ""
