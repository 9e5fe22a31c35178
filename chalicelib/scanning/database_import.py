"""Takes a vulnerability database over: proved, written beside the old one, then the pointer moves.

    folder ─► opens, of a known format, read from end to end ─► may follow upon the one in use ─► objects, whole ─►
    one transaction: its row, and the pointer where it was seen ─► what is not kept any more goes

Any number of imports may run at once and be killed at any moment: the pointer names objects that are whole, and
whatever was begun has a row (`database_store`) by which a later import clears it away.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from chalicelib.advisories.database import DATABASE_FILE, METADATA_FILE, Database
from chalicelib.advisories.models import DatabaseMetadata
from chalicelib.edge.log import logger
from chalicelib.kernel.errors import Conflict, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.ports.objects import Objects, Part
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, TransactionCancelled, Write

from . import database_rows, database_rules
from . import database_store as store
from .database_models import DatabasePointer, DatabaseRecord
from .database_sources import Arrived

KEPT: Final = 3
# No import takes as long; and whoever reads a database that is not kept has an hour to notice.
_UNDER_WAY: Final = timedelta(hours=6)
_READ_ON: Final = timedelta(hours=1)
_PART_BYTES: Final = 16 * 1024 * 1024
_PIECE_BYTES: Final = 1024 * 1024
_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Proved:
    """A database that was read from end to end. digest: of `trivy.db`; count: packages that there are advisories of;
    rows: as `database_rows` keeps them."""

    arrived: Arrived
    metadata: DatabaseMetadata
    digest: str
    size: int
    count: int
    rows: bytes


class DatabaseImport:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table

    def take_over(self, arrived: Arrived, *, force: bool = False) -> DatabasePointer:
        """The pointer to the database, which is the one in use from now on; it may have been before.

        force   though it is older, or much smaller, than the one in use
        Raises Invalid where it had better not be used, DatabaseCorrupt where it cannot be.
        """
        proved = self._prove(arrived)
        uploaded: DatabaseRecord | None = None
        for _ in range(_ATTEMPTS):
            seen = store.pointer(self._table)
            if seen is not None and seen.record.digest == proved.digest:
                if not database_rules.is_younger(proved.metadata, seen.record) or self._rejuvenate(proved, seen):
                    return store.pointer(self._table) or seen
                continue
            if proved.count == 0 or not force:
                database_rules.check_succession(proved.metadata, proved.count, seen.record if seen else None)
            known = store.record(self._table, proved.digest)
            if known is None:
                uploaded = uploaded or self._upload(proved)
            wanted = self._pointer(known or uploaded, seen)
            writes: list[Write] = [store.switched(wanted, seen)]
            writes += [store.still_there(known)] if known else store.made(wanted.record)
            if self._switch(writes, proved.digest):
                logger.info("vulnerability database switched", digest=proved.digest, rows=proved.count)
                self.clear()
                return wanted
        raise Unavailable("other imports of vulnerability databases were faster; try again", retry_after_s=10)

    def clear(self) -> None:
        """Databases that are not kept go, and what broken imports left behind."""
        seen = store.pointer(self._table)
        if seen is not None:
            others = [one for one in store.records(self._table) if one.digest != seen.record.digest]
            due_at = to_text(self._stack.clock.now() + _READ_ON)
            for old in others[KEPT - 1 :]:
                with suppress(TransactionCancelled):  # It is used again, or somebody else was faster.
                    self._table.transact(store.dropped(old, seen, due_at))
        now = to_text(self._stack.clock.now())
        for left in store.leftovers(self._table):
            if left.due_at <= now:
                self._discard(left)

    def _rejuvenate(self, proved: Proved, seen: DatabasePointer) -> bool:
        """Built anew, it came out the same: what is known of it changes, and nothing else. False where it moved."""
        told = {"updated_at": proved.metadata.updated_at, "next_update": proved.metadata.next_update}
        known = seen.record.model_copy(update={**told, "source_digest": proved.arrived.digest})
        wanted = seen.model_copy(update={"record": known, "version": seen.version + 1})
        return self._switch([store.switched(wanted, seen), store.changed(known)], proved.digest)

    def _prove(self, arrived: Arrived) -> Proved:
        database = Database.open(arrived.folder)
        database_rules.check_metadata(database.metadata, self._stack.clock.now())
        counted: Counter[str] = Counter()
        rows = database_rows.numbered(database_rows.advised(database.rows(), counted))
        path = arrived.folder / DATABASE_FILE
        return Proved(
            arrived=arrived,
            metadata=database.metadata,
            digest=_digest_of(path),
            size=path.stat().st_size,
            count=counted["packages"],
            rows=database_rows.packed(rows),
        )

    def _pointer(self, record: DatabaseRecord | None, seen: DatabasePointer | None) -> DatabasePointer:
        assert record is not None  # noqa: S101 - one of the two that it is called with is there
        switched_at = to_text(self._stack.clock.now())
        return DatabasePointer(record=record, version=seen.version + 1 if seen else 1, switched_at=switched_at)

    def _switch(self, writes: list[Write], digest: str) -> bool:
        """False where something moved meanwhile."""
        try:
            self._table.transact(writes)
        except TransactionCancelled:
            return False
        except OutcomeUnknown:
            seen = store.pointer(self._table)
            if seen is None or seen.record.digest != digest:
                raise
        return True

    def _upload(self, proved: Proved) -> DatabaseRecord:
        """Its objects, whole. The row that says they are left over goes with the transaction that names them."""
        attempt, now = new_id(), self._stack.clock.now()
        left = store.Leftover(proved.digest, attempt, "", to_text(now + _UNDER_WAY))
        self._table.put(store.leaving(left).item)
        try:
            self._upload_file(proved, left)
            objects = self._objects
            metadata = (proved.arrived.folder / METADATA_FILE).read_bytes()
            objects.put(store.object_key(proved.digest, attempt, METADATA_FILE), metadata)
            objects.put(store.object_key(proved.digest, attempt, store.ROWS_FILE), proved.rows)
        except Exception:
            for one in store.leftovers(self._table):
                if one.attempt == attempt:
                    self._discard(one)
            raise
        return DatabaseRecord(
            digest=proved.digest,
            attempt=attempt,
            version=proved.metadata.version,
            updated_at=proved.metadata.updated_at,
            next_update=proved.metadata.next_update,
            demonstration=proved.metadata.demonstration,
            rows=proved.count,
            size=proved.size,
            source=proved.arrived.source,
            source_digest=proved.arrived.digest,
            imported_at=to_text(now),
        )

    def _upload_file(self, proved: Proved, left: store.Leftover) -> None:
        """Raises Conflict where somebody wrote to the file since it was proved."""
        objects, key = self._objects, store.object_key(left.digest, left.attempt, DATABASE_FILE)
        multipart = objects.begin(key)
        self._table.put(store.leaving(left._replace(multipart=multipart)).item)
        hashed, parts, offset = hashlib.sha256(), list[Part](), 0
        with (proved.arrived.folder / DATABASE_FILE).open("rb") as file:
            while piece := file.read(_PART_BYTES):
                hashed.update(piece)
                parts.append(objects.part(key, multipart, len(parts) + 1, offset, piece))
                offset += len(piece)
        if f"sha256:{hashed.hexdigest()}" != proved.digest:
            raise Conflict(f"{proved.arrived.source} changed while it was read; import it again")
        objects.complete(key, multipart, parts)

    def _discard(self, left: store.Leftover) -> None:
        """Objects first, row last: what is interrupted is done once more."""
        known = store.record(self._table, left.digest)
        if known is None or known.attempt != left.attempt:
            if left.multipart:
                self._objects.abort(store.object_key(left.digest, left.attempt, DATABASE_FILE), left.multipart)
            for name in store.FILES:
                self._objects.delete(store.object_key(left.digest, left.attempt, name))
        self._table.delete(store.leaving(left).key)

    @property
    def _objects(self) -> Objects:
        return self._stack.objects(self._stack.settings.bucket)


def _digest_of(path: Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            hashed.update(piece)
    return f"sha256:{hashed.hexdigest()}"
