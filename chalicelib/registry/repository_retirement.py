"""How repositories leave: into the recycle bin in one transaction, and out of it bit by bit.

    deleted    name and place in the quota gone, bin entry there, the id is `binned`      ─┐ one transaction each
    expired    bin entry gone, the id is `purging` and due                                ─┘
    purged     manifests die as any manifest does, indexes before their children; then history, links, shares, bindings;
               at last the id, a day after it began: until then a push or an upload may come that set out before

A push puts its intent first and looks at the id second (`Blobs.require`), so one that commits set out before the
deletion; by the last look its intent has ended one way or the other, and its leases have run out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import from_text, to_text
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    Check,
    ConditionFailed,
    Delete,
    Item,
    Key,
    OutcomeUnknown,
    TransactionCancelled,
    Update,
    Write,
    equals,
)
from chalicelib.repositories.departure import Departure
from chalicelib.repositories.models import Repository

from . import store
from .bin_entries import BinEntries
from .blobs import ATTEMPTS, Blobs
from .burial import Burial
from .models import BinEntry, ManifestRecord
from .retirement import TAGS_PER_TRANSACTION

# Manifests that one step of a purge buries, and other rows that it clears: well within a function's time.
MANIFESTS_A_STEP: Final = 20
ROWS_A_STEP: Final = 100
# What is left waits for a lease to run out or an intent to be given up.
LOOK_AGAIN: Final = timedelta(minutes=10)


class RepositoryRetirement:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._departure = Departure(stack)
        self._bin = BinEntries(stack)
        self._burial = Burial(stack)
        self._blobs = Blobs(stack)

    # Into the bin

    def delete(
        self, instance: Instance, repository: Repository, by: str, *, size: int = 0, parent: BinEntry | None = None
    ) -> None:
        """Costs the same however much is in it. `parent`: the namespace's entry that it goes with. Raises NotFound."""
        entry_id = new_id()
        for _ in range(ATTEMPTS):
            record = self._departure.record(repository)
            entry = self._entry(instance, record, entry_id, by, size, parent)
            writes = [*self._departure.leave(instance, record, entry_id), *self._bin.comes([entry], told=True)]
            if parent is not None:
                writes.append(Check(keys.bin_entry(instance.id, parent.id), equals("whole", False)))
            try:
                return self._table.transact(writes)
            except TransactionCancelled:
                continue
            except OutcomeUnknown:
                pointer = self._table.get(keys.repository_by_id(repository.id))
                if pointer is not None and pointer.get("entry") == entry_id:
                    return None
        raise Unavailable

    def _entry(
        self, instance: Instance, record: Item, entry_id: str, by: str, size: int, parent: BinEntry | None
    ) -> BinEntry:
        return self._bin.new(
            instance,
            by,
            id=entry_id,
            repository_id=record["id"],
            repository=record["name"],
            kind="repository",
            name=record["name"],
            record=dict(record),
            parent=parent.id if parent else "",
            size=size,
        )

    # Out of the bin, for good

    def expire(self, entry: BinEntry) -> None:
        """The grace period of its entry is over, or somebody frees it now. Safe to repeat."""
        purge = self._departure.purge(entry.repository_id, entry.id, self._stack.clock.now())
        try:
            self._table.transact([*self._bin.goes([entry]), purge])
        except TransactionCancelled:
            return  # Restored meanwhile, or expired already.

    def purge(self, pointer: Item) -> None:
        """One step of what is due of a repository that cannot come back. Safe to repeat and to interrupt."""
        if pointer.get("state") != "purging":
            return
        repository = pointer["pk"].removeprefix(keys.repository_partition(""))
        if self._bury_some(pointer["instance_id"], repository) or self._clear_some(pointer["instance_id"], repository):
            return
        key, now = Key(pointer["pk"], pointer["sk"]), self._stack.clock.now()
        left = self._table.query(keys.repository_partition(repository), limit=2).items
        last_look = from_text(pointer["purged_at"]) + self._longest_arrival
        if len(left) == 1 and now >= last_look:
            self._table.delete(key, equals("state", "purging"))
            return
        later = now + LOOK_AGAIN if len(left) > 1 else last_look
        due = keys.due("purge", to_text(later), repository)
        try:
            self._table.update(Update(key, set=due, when=equals("state", "purging")), relaxed=True)
        except ConditionFailed:
            return

    @property
    def _longest_arrival(self) -> timedelta:
        """By then uploads and pushes that set out before have ended: intents, once the sweep has seen them overdue."""
        settings = self._stack.settings
        return timedelta(seconds=max(settings.upload_ttl_s, 2 * settings.intent_ttl_s))

    def _bury_some(self, instance: str, repository: str) -> bool:
        """Whether some manifests went."""
        rows = self._table.query(
            keys.repository_partition(repository), prefix="MANIFEST#", limit=MANIFESTS_A_STEP
        ).items
        buried = [self._bury(instance, ManifestRecord.model_validate(row)) for row in rows]
        return any(buried)

    def _bury(self, instance: str, manifest: ManifestRecord) -> bool:
        """Buries the manifest, or an index above it that has to go first. False: it waits for one that is under way."""
        climbed: set[str] = set()
        while above := self._index_above(manifest, climbed):
            climbed.add(above.digest)
            manifest = above
        held = self._strip(instance, manifest)
        self._burial.settle(instance, manifest.repository_id, manifest.digest)
        return not held

    def _index_above(self, manifest: ManifestRecord, climbed: set[str]) -> ManifestRecord | None:
        partition = keys.repository_partition(manifest.repository_id)
        holds = self._table.query(partition, prefix=keys.hold_prefix(manifest.digest, "INDEX"), limit=100).items
        for hold in holds:
            index = store.manifest(self._table, manifest.repository_id, hold["index"])
            if index is not None and index.incarnation == hold["owner"] and index.digest not in climbed:
                return index
        return None

    def _strip(self, instance: str, manifest: ManifestRecord) -> bool:
        """Its tags and bin entries go, and it may die. Whether an index still holds it."""
        partition = keys.repository_partition(manifest.repository_id)
        for _ in range(ATTEMPTS):
            seen = store.manifest(self._table, manifest.repository_id, manifest.digest)
            if seen is None:
                return False
            pages = [
                self._table.query(
                    partition, prefix=keys.hold_prefix(manifest.digest, kind), limit=TAGS_PER_TRANSACTION // 2
                )
                for kind in ("BIN", "TAG")
            ]
            now = to_text(self._stack.clock.now())
            mortal = {"state": "binned", "mortal": True, "held_until": ""}
            change = {**mortal, **store.manifest_due(seen.digest, seen.repository_id, now)}
            key = keys.manifest(seen.repository_id, seen.digest)
            writes = self._let_loose(instance, seen.repository_id, [hold for page in pages for hold in page.items])
            writes.append(Update(key, set=change, add={"version": 1}, when=store.as_seen(seen)))
            try:
                self._table.transact(writes, relaxed=True)
            except TransactionCancelled:
                continue
            if all(page.next is None for page in pages):
                indexes = keys.hold_prefix(manifest.digest, "INDEX")
                return bool(self._table.query(partition, prefix=indexes, limit=1).items)
        raise Unavailable

    def _let_loose(self, instance: str, repository: str, holds: Sequence[Item]) -> list[Write]:
        binned = [keys.bin_entry(instance, hold["owner"]) for hold in holds if hold["kind"] == "BIN"]
        standing = self._table.get_many(binned) if binned else {}
        entries = [BinEntry.model_validate(row) for row in standing.values()]
        writes = self._bin.goes(entries) if entries else []
        gone_along = {entry.id for entry in entries}
        for hold in holds:
            if hold["kind"] == "BIN":
                if hold["owner"] not in gone_along:
                    writes.append(Delete(keys.hold(repository, hold["digest"], "BIN", hold["owner"])))
                continue
            writes.append(Delete(keys.hold(repository, hold["digest"], hold["kind"], hold["owner"])))
            tag = store.tag(self._table, repository, hold["owner"])
            if tag is not None and tag.digest == hold["digest"]:
                writes.append(Delete(keys.tag(repository, tag.name), when=store.as_seen(tag)))
        return writes

    def _clear_some(self, instance: str, repository: str) -> bool:
        """Whether some of the rows that hold nothing went."""
        partition = keys.repository_partition(repository)
        for prefix in ("HISTORY#", "SHARE#", "REFERRER#", "FIRSTFILES", "BOUND#"):
            rows = self._table.query(partition, prefix=prefix, limit=ROWS_A_STEP // 2).items
            guests = [keys.shared_with(row["account"], row["username"], row["id"]) for row in rows if "username" in row]
            gone = [*guests, *(Key(row["pk"], row["sk"]) for row in rows)]
            if gone:
                self._table.transact([Delete(key) for key in gone], relaxed=True)
                return True
        links = self._table.query(partition, prefix="LINK#", limit=ROWS_A_STEP).items
        for link in links:
            self._blobs.release(instance, repository, link["digest"], self._stack.clock.now())
        left = self._table.get_many([Key(link["pk"], link["sk"]) for link in links])
        return len(left) < len(links)
