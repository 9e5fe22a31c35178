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
# Of manifests that need a layer. A layer that more need is looked through no further, and the image counts as held.
_EDGES_A_PAGE: Final = 1000
_MOST_PAGES: Final = 10


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
        settled = [one for one in held.values() if one.report and not rules.unfinished(one)]
        details = self._findings.details(self.instance.id, [one.digest for one in settled])
        place = ""
        for seen in records:
            place, record = seen.digest, held.get(seen.digest)
            if record is None:
                self._forget(seen)
            elif record.report and not rules.unfinished(record):
                self._settled(record, details.get(record.digest) or ScanDetail(ids={}))
            if time.monotonic() > until:
                break
        return place

    def indexes(self, records: Sequence[ScanRecord]) -> None:
        """An index is joined as its images are stored. One whose images came to the same says by which database."""
        for record in records:
            known = self._findings.several(self.instance.id, record.children).values()
            used = self._record.digest
            another = record.database != used and {one.database for one in known} == {used}
            if (another or self._everything) and any(record.digest not in one.parents for one in known):
                # Images that very many indexes list name the newest of those; the others are joined here.
                self._results.rejoin(self.instance, record.digest)
            elif another:
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

    def _held(self, records: Sequence[ScanRecord]) -> Mapping[str, ScanRecord]:
        """By digest, those whose image some repository holds still: mostly one that the record names."""
        wanted = {
            keys.manifest(repository, one.digest): one.digest for one in records for repository in one.repositories
        }
        found = self._stack.table.get_many(list(wanted)) if wanted else {}
        there = {wanted[key] for key, item in found.items() if item["state"] == "live"}
        named = {one.digest: one for one in records if one.digest in there or not one.repositories}
        others = (one for one in records if one.digest not in named)
        return named | {one.digest: held for one in others if (held := self._held_elsewhere(one)) is not None}

    def _held_elsewhere(self, record: ScanRecord) -> ScanRecord | None:
        """An image that was copied lies where nobody scanned it, and what is known of it judges pulls there too. None
        where no manifest that needs its uppermost layer is the image, in any repository."""
        try:
            layers = self._reports.read(self.instance, record).layers if record.report else ()
        except NotFound:
            return None
        except (Refused, ObjectMissing):
            return record
        if not layers:
            return None
        partition, cursor = keys.blob_partition(self.instance.id, layers[-1].ref.digest), None
        for _ in range(_MOST_PAGES):
            page = self._stack.table.query(partition, prefix=keys.edge_prefix(), cursor=cursor, limit=_EDGES_A_PAGE)
            holders = [edge["repository_id"] for edge in page.items if edge.get("manifest") == record.digest]
            rows = self._stack.table.get_many([keys.manifest(one, record.digest) for one in dict.fromkeys(holders)])
            live = next((row for row in rows.values() if row["state"] == "live"), None)
            if live is not None:
                return self._results.hold(self.instance, record.digest, live["repository_id"])
            cursor = page.next
            if cursor is None:
                return None
        return record

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
