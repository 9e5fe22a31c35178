"""Judges the images of one instance again, by their reports: what each page of records comes to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from chalicelib.advisories.database import Database
from chalicelib.advisories.examination import examine
from chalicelib.advisories.fingerprints import SIZE
from chalicelib.edge.log import logger
from chalicelib.findings.models import ScanDetail, ScanRecord
from chalicelib.findings.service import Findings
from chalicelib.findings.vex import silencers
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import NotFound, Refused
from chalicelib.kernel.moment import from_text, to_text
from chalicelib.ports import keys
from chalicelib.ports.objects import ObjectMissing
from chalicelib.ports.stack import Stack

from . import database_rows, database_store, databases, rules
from .database_models import DatabaseRecord
from .engines import BUILTIN
from .remembering import RememberingDatabase
from .reports import Reports
from .results import Results, judged

# Ends of support come with time alone: an image is judged anew so often, whatever databases say.
AFRESH_AFTER: Final = timedelta(days=30)
# Databases, other than the one in use, that records may still name.
_MOST_COMPARED: Final = 8


class Judging:
    """everything: though no package of an image changed. counts: what became of how many."""

    def __init__(
        self, stack: Stack, instance: Instance, record: DatabaseRecord, database: Database, *, everything: bool
    ) -> None:
        self.instance = instance
        self.counts: Counter[str] = Counter()
        self._stack = stack
        self._record = record
        self._database = _remembering(stack, record, database)
        self._everything = everything
        self._findings = Findings(stack)
        self._reports = Reports(stack)
        self._results = Results(stack)
        self._silencers = silencers(stack, instance.id)

    def images(self, records: Sequence[ScanRecord], until: float) -> str:
        """Digest of the last one dealt with; the first is, however late it is."""
        held = self._held(records)
        settled = [one for one in records if held[one.digest] and one.report and not rules.unfinished(one)]
        details = self._findings.details(self.instance.id, [one.digest for one in settled])
        place = ""
        for record in records:
            place = record.digest
            if not held[record.digest]:
                self._forget(record)
            elif record.report and not rules.unfinished(record):
                self._settled(record, details.get(record.digest) or ScanDetail(ids={}))
            if time.monotonic() > until:
                break
        return place

    def indexes(self, records: Sequence[ScanRecord]) -> None:
        """An index is joined as its images are stored. One whose images came to the same says by which database."""
        for record in records:
            known = self._findings.several(self.instance.id, record.children).values()
            if record.database != self._record.digest and {one.database for one in known} == {self._record.digest}:
                self._confirm(record)

    def _settled(self, record: ScanRecord, detail: ScanDetail) -> None:
        if not self._concerned(record, detail):
            if record.database != self._record.digest:
                self._confirm(record)
            return
        try:
            self._judge(record)
            self.counts["judged"] += 1
        except NotFound:
            self._lost(record)
        except (Refused, ObjectMissing):
            # It keeps the judgement that it has, and says of which database that is.
            self.counts["failed"] += 1
            logger.exception("failed to judge image again", instance_id=self.instance.id, digest=record.digest)

    def _concerned(self, record: ScanRecord, detail: ScanDetail) -> bool:
        now = self._stack.clock.now()
        ran_out = bool(record.silenced_until) and record.silenced_until <= to_text(now)
        old = not record.scanned_at or from_text(record.scanned_at) < now - AFRESH_AFTER
        if self._everything or ran_out or old:
            return True
        if record.database == self._record.digest:
            return False
        if record.reason == "demonstration_database" or self._record.demonstration:
            # What it says of an image is never the whole, whatever it has in common with another.
            return True
        changed = self._changed_since(record.database)
        return changed is None or not changed.isdisjoint(_numbers(detail.names))

    def _judge(self, record: ScanRecord) -> None:
        report = self._reports.read(self.instance, record)
        now = self._stack.clock.now()
        again = judged(
            report,
            examine(report.inventory, self._database, now),
            engine=BUILTIN,
            database=self._record.digest,
            database_updated_at=self._record.updated_at,
            demonstration=self._record.demonstration,
            silencers=self._silencers,
            now=now,
        )
        self._results.store(self.instance, again)

    def _confirm(self, record: ScanRecord) -> None:
        if self._findings.confirm(record, self._record.digest, self._record.updated_at):
            self.counts["confirmed"] += 1

    def _lost(self, record: ScanRecord) -> None:
        """Its report is gone, so nothing can be said by it any more."""
        self.counts["failed"] += 1
        told = {
            "state": "failed",
            "reason": "interrupted",
            "message": "its report is gone; scan it again",
            "report": "",
        }

        def change(now: ScanRecord) -> ScanRecord:
            return now.model_copy(update=told) if now.report == record.report else now

        self._findings.change(self.instance.id, record.digest, change)
        logger.error("failed to find report of image", instance_id=self.instance.id, digest=record.digest)

    def _forget(self, record: ScanRecord) -> None:
        """Row first, object second: a crash in between leaves an object, which the next scan of the image clears."""
        if self._findings.forget(record):
            self.counts["forgotten"] += 1
            if record.report:
                self._stack.objects(self.instance.bucket).delete(record.report)

    def _held(self, records: Sequence[ScanRecord]) -> Mapping[str, bool]:
        """By digest, whether one of the repositories that the record names holds the image still."""
        wanted = {
            keys.manifest(repository, one.digest): one.digest for one in records for repository in one.repositories
        }
        found = self._stack.table.get_many(list(wanted)) if wanted else {}
        there = {wanted[key] for key, item in found.items() if item["state"] == "live"}
        return {one.digest: one.digest in there or not one.repositories for one in records}

    def _changed_since(self, digest: str) -> frozenset[int] | None:
        """Fingerprints of packages of which this database says something else; None where nobody knows any more."""
        compared: dict[tuple[str, str], frozenset[int] | None] = self._stack.keep("databases compared", dict)
        pair = (digest, self._record.digest)
        if pair not in compared:
            if len(compared) >= _MOST_COMPARED:
                compared.clear()
            compared[pair] = self._compared(digest)
        return compared[pair]

    def _compared(self, digest: str) -> frozenset[int] | None:
        old = database_store.record(self._stack.table, digest) if digest else None
        if old is None:
            return None
        try:
            before = databases.rows(self._stack, old)
        except ObjectMissing:
            return None
        return database_rows.changed(before, databases.rows(self._stack, self._record))


def _numbers(names: bytes) -> list[int]:
    return [int.from_bytes(names[at : at + SIZE]) for at in range(0, len(names), SIZE)]


def _remembering(stack: Stack, record: DatabaseRecord, database: Database) -> Database:
    """One a process and database: what was looked up for one image is there for the next, of whatever instance."""
    held: dict[str, RememberingDatabase] = stack.keep("database remembering", dict)
    if record.digest not in held:
        held.clear()
        held[record.digest] = RememberingDatabase(database)
    return held.get(record.digest) or RememberingDatabase(database)
