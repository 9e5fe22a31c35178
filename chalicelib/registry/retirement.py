"""How tags and manifests leave: into the recycle bin. How they go for good: `burial.py`.

    tag deleted        TAG and its HOLD go, a bin entry and its HOLD come         ─┐  one transaction each,
    manifest deleted   the same for all its tags, and the manifest is `binned`    ─┘  raising the manifest's version

A manifest of many tags goes page by page; only with the last page is it `binned`.

The companion of a tag goes in the same transaction, into an entry of its own, and comes back by what the tag's entry
says of it. It comes only together with a mark on the tag, so the transaction learns of one that came after the look: a
tag without a mark goes on condition that it has none, one with a mark on condition that nothing new stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chalicelib.immutability.service import Immutability, Judgement
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, InUse, ManifestUnknown, Refused, TagImmutable, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.names import Digest, TagName
from chalicelib.kernel.paging import every
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    TRANSACTION_LIMIT_ITEMS,
    Check,
    Delete,
    OutcomeUnknown,
    TransactionCancelled,
    Update,
    Write,
    absent,
    equals,
)
from chalicelib.repositories.models import Repository

from . import store
from .bin_entries import BinEntries, Deletion, size_of
from .blobs import ATTEMPTS
from .companions import BY, beside, companion_keys, is_companion, kept, names
from .following import WRITES_A_COMPANION, Seen, first, manifests_of, marked, see, untag
from .models import BinEntry, ManifestRecord, TagRecord

__all__ = ["TAGS_PER_TRANSACTION", "Deletion", "Retirement"]

# Of one manifest: two writes a tag, and room within the 100 of a transaction for the entry, its hold, the counter, the
# manifest, what it refers to, the indexes that list it and sixteen copies of a policy.
TAGS_PER_TRANSACTION: Final = 34
_PAGE_WRITES: Final = 2 * TAGS_PER_TRANSACTION
# With the longest names, and companions of all of them, these are three quarters of what an item may hold.
TAGS_PER_ENTRY: Final = 750
# Each into an entry of its own. It writes what a companion does, and a policy's copy is checked, which judges its
# companion too; the counter is one more.
_WRITES_A_TAG: Final = WRITES_A_COMPANION + 1
_TOGETHER_WRITES: Final = TRANSACTION_LIMIT_ITEMS - 1
TAGS_AT_ONCE: Final = _TOGETHER_WRITES // _WRITES_A_TAG
# A manifest that so many indexes list is not deleted alone: each deleted one costs a check of the same transaction.
MOST_INDEXES: Final = 10


class Retirement:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._bin = BinEntries(stack)
        self._immutability = Immutability(stack)

    def delete_tags(self, deletion: Deletion, tags: Sequence[TagRecord]) -> dict[TagName, Refused | None]:
        """Each that still is where its push put it, into an entry of its own; in as few transactions as have room.

        What became of each, and of the companions that went along: None, it is deleted; else why not: ManifestUnknown,
        it was gone; TagImmutable; Conflict, another push moved it.
        """
        outcomes: dict[TagName, Refused | None] = {}
        waiting = list(tags)
        while waiting:
            outcomes |= self._delete_together(deletion, waiting[:TAGS_AT_ONCE])
            waiting = [tag for tag in waiting if tag.name not in outcomes]
        return outcomes

    def _delete_together(self, deletion: Deletion, tags: Sequence[TagRecord]) -> dict[TagName, Refused | None]:
        """In one transaction the first ones that it has room for, or these one by one where something moved meanwhile.
        The others are not in the answer."""
        repository = deletion.repository
        seen = first(see(self._table, repository.id, tags), room=_TOGETHER_WRITES, a_tag=_WRITES_A_TAG)
        judgement = self._judge(deletion, [tag.name for tag in seen.tags])
        outcomes: dict[TagName, Refused | None] = {
            tag.name: TagImmutable(repository.name, tag.name, rule)
            for tag in seen.tags
            if (rule := judgement.rule_over(tag.name))
        }
        going = [(tag, manifest, new_id()) for tag, manifest in seen.going(left=outcomes)]
        if going and self._retire_tags(deletion, seen, going, judgement.checks):
            outcomes |= dict.fromkeys(tag.name for tag, _, _ in going)
        for tag in tags[: len(seen.tags)]:
            if tag.name not in outcomes:
                outcomes |= self._delete_alone(deletion, tag)
        return outcomes

    def _delete_alone(self, deletion: Deletion, tag: TagRecord) -> dict[TagName, Refused | None]:
        try:
            return dict.fromkeys(self.delete_tag(deletion, tag.name, push=tag.push))
        except (ManifestUnknown, Conflict) as refused:
            return {tag.name: refused}

    def delete_tag(self, deletion: Deletion, name: TagName, *, push: str = "") -> list[TagName]:
        """The content stays as long as anything holds it, the bin entry included. The names of what went: the tag, and
        its companion if there was one.

        push   only if the tag is where this push put it
        Raises ManifestUnknown, TagImmutable, Conflict if another push moved it.
        """
        entry_id = new_id()
        for _ in range(ATTEMPTS):
            tag = store.tag(self._table, deletion.repository.id, name)
            seen = see(self._table, deletion.repository.id, [tag] if tag else [])
            going = seen.going()
            if tag is None or not going:
                raise ManifestUnknown(name)
            if push not in ("", tag.push):
                raise Conflict(f"tag {name} was pushed meanwhile", tag=name)
            judgement = self._judge(deletion, [name])
            judgement.require_movable()
            named = [(*one, new_id() if place else entry_id) for place, one in enumerate(going)]
            if self._retire_tags(deletion, seen, named, judgement.checks):
                return [one.name for one, _ in going]
        raise Unavailable

    def retire_companion(self, instance: Instance, repository: Repository, original: TagName) -> bool:
        """Deletes a companion that its original does not name: because that was pushed since, is gone, or lost its
        mark. Whether there was one. No rule keeps it, for what it showed is no tag's any more."""
        deletion, entry_id = Deletion(instance, repository, BY), new_id()
        for _ in range(ATTEMPTS):
            # The companion first: so an original that names this one is seen to.
            companion = store.tag(self._table, repository.id, original.accelerated)
            above = store.tag(self._table, repository.id, original)
            if companion is None or not is_companion(companion) or names(above, companion.digest):
                return False
            seen = see(self._table, repository.id, [companion])
            named = [(*one, new_id() if place else entry_id) for place, one in enumerate(seen.going())]
            if not named:
                return False
            unchanged = Check(keys.tag(repository.id, original), store.as_seen(above) if above else absent())
            if self._retire_tags(deletion, seen, named, [unchanged]):
                return True
        raise Unavailable

    def _retire_tags(
        self,
        deletion: Deletion,
        seen: Seen,
        named: Sequence[tuple[TagRecord, ManifestRecord, str]],
        checks: Sequence[Check],
    ) -> bool:
        """named: each with its manifest and the id of its entry. Whether it took effect."""
        going = [tag for tag, _, _ in named]
        entries = [self._entry(deletion, entry, "tag", tag.name, manifest, [tag]) for tag, manifest, entry in named]
        manifests = {manifest.digest: manifest for _, manifest, _ in named}
        writes = [
            *untag(going),
            *seen.unchanged(going),
            *self._bin.comes(entries, told=not deletion.quiet),
            *(self._raise_version(manifest) for manifest in manifests.values()),
            *checks,
        ]
        return self._transact(writes, entries[0])

    def delete_manifest(self, deletion: Deletion, digest: Digest, *, sparse: bool) -> None:
        """Its tags go with it, into one bin entry, or more where they are very many; their companions into their own.

        sparse   indexes may list what is not here
        Raises ManifestUnknown, TagImmutable before anything goes, InUse while an index holds it.
        """
        entry_id, begun, attempts = new_id(), False, ATTEMPTS
        while attempts:
            attempts -= 1
            manifest = store.manifest(self._table, deletion.repository.id, digest)
            if manifest is None or manifest.state == "binned":
                if begun:
                    return
                raise ManifestUnknown(digest)
            # After the manifest, whose version is raised by whatever changes the entry: so it is as it stands.
            before = self._open_entry(deletion, entry_id) if begun else None
            if begun and before is None:
                # Full, or restored or freed between two pages: what is left goes into another.
                entry_id = new_id()
            indexes = [] if sparse else self._deleted_indexes(deletion.repository.id, digest)
            seen, more = self._tags_of(manifest)
            tags = seen.tags
            all_of_them = more and not begun
            judged = self._all_tags_of(deletion.repository.id, digest) if all_of_them else [tag.name for tag in tags]
            judgement = self._judge(deletion, judged)
            judgement.require_movable()
            entry = self._entry(deletion, entry_id, "manifest", digest, manifest, tags, before)
            change = {} if more else {"state": "binned"}
            writes = self._page_writes(deletion, entry, seen, told=not more or _full(entry), grows=before is not None)
            writes += [self._raise_version(manifest, **change), *indexes, *judgement.checks]
            if manifest.subject and not more:
                writes.append(Delete(keys.referrer(deletion.repository.id, manifest.subject, digest)))
            # A last page without tags makes the entry no different, so the entry could not tell of it.
            if self._transact(writes, entry if tags or before is None else None):
                if not more:
                    return
                begun, attempts = True, ATTEMPTS
        raise Unavailable

    def _open_entry(self, deletion: Deletion, entry_id: str) -> BinEntry | None:
        """The entry that the next tags of a manifest go into; None where they need another."""
        standing = store.read(self._table, keys.bin_entry(deletion.instance.id, entry_id), BinEntry)
        return None if standing is None or _full(standing) else standing

    def _judge(self, deletion: Deletion, names: Sequence[TagName]) -> Judgement:
        repository = deletion.repository
        return self._immutability.judge(repository.namespace_id, repository.id, repository.name, names)

    def _entry(
        self,
        deletion: Deletion,
        entry_id: str,
        kind: str,
        name: str,
        manifest: ManifestRecord,
        tags: Sequence[TagRecord],
        before: BinEntry | None = None,
    ) -> BinEntry:
        """before: as it stands, with other tags. What it was counted with stays, also when somebody looks into the
        manifest meanwhile."""
        return self._bin.new(
            deletion.instance,
            deletion.by,
            id=entry_id,
            repository_id=deletion.repository.id,
            repository=deletion.repository.name,
            kind=kind,
            name=name,
            digest=manifest.digest,
            tags=(
                *(before.tags if before else ()),
                *(kept(tag) for tag in tags),
            ),
            size=before.size if before else size_of(manifest),
        )

    def _raise_version(self, manifest: ManifestRecord, **change: str) -> Update:
        key = keys.manifest(manifest.repository_id, manifest.digest)
        return Update(key, set=change, add={"version": 1}, when=store.as_seen(manifest))

    def _page_writes(self, deletion: Deletion, entry: BinEntry, seen: Seen, *, told: bool, grows: bool) -> list[Write]:
        """told: nothing more comes into the entry; grows: it is there already, and counted."""
        loud, tags = not deletion.quiet, {tag.name for tag in seen.tags}
        along = [(tag, manifest) for tag, manifest in seen.going() if tag.name not in tags]
        own = [self._entry(deletion, new_id(), "tag", tag.name, manifest, [tag]) for tag, manifest in along]
        going = [*seen.tags, *(tag for tag, _ in along)]
        manifests = {manifest.digest: manifest for _, manifest in along}
        return [
            *untag(going),
            *seen.unchanged(going),
            *self._bin.rows([entry], told=told and loud),
            *self._bin.rows(own, told=loud),
            *self._bin.counted([*([] if grows else [entry]), *own]),
            *(self._raise_version(manifest) for manifest in manifests.values()),
        ]

    def _tags_of(self, manifest: ManifestRecord) -> tuple[Seen, bool]:
        """Some of the tags that point to the manifest, with their companions that do not; whether there are more."""
        repository_id, digest = manifest.repository_id, manifest.digest
        page = self._table.query(
            keys.repository_partition(repository_id),
            prefix=keys.hold_prefix(digest, "TAG"),
            limit=TAGS_PER_TRANSACTION,
        )
        held = [TagName(hold["owner"]) for hold in page.items]
        places, wanted = [keys.tag(repository_id, name) for name in held], companion_keys(repository_id, held)
        found = self._table.get_many([*places, *wanted.values()])
        standing = [TagRecord.model_validate(found[place]) for place in places if place in found]
        tags: Sequence[TagRecord] = [tag for tag in standing if tag.digest == digest]
        # One that points to the manifest too is a tag of it like the others, and goes with its page. What somebody else
        # has at the name is told of all the same: it stands in the way of any companion.
        there = beside(found, wanted)
        rows = {original: row for original, row in there.items() if row.digest != digest or not is_companion(row)}
        companions = {original: row for original, row in rows.items() if is_companion(row)}
        manifests = manifests_of(self._table, repository_id, {row.digest for row in companions.values()})
        tags = marked(self._table, tags, companions)
        seen = first(Seen(tags, {**manifests, digest: manifest}, rows), room=_PAGE_WRITES, a_tag=2)
        return seen, page.next is not None or len(seen.tags) < len(tags)

    def _all_tags_of(self, repository: str, digest: str) -> list[TagName]:
        partition, prefix = keys.repository_partition(repository), keys.hold_prefix(digest, "TAG")
        holds = every(lambda cursor: self._table.query(partition, prefix=prefix, cursor=cursor, limit=1000))
        return [TagName(hold["owner"]) for hold in holds]

    def _deleted_indexes(self, repository: str, digest: str) -> list[Write]:
        """Checks that the indexes which hold the manifest are still deleted when it is. Raises InUse if one is not."""
        prefix = keys.hold_prefix(digest, "INDEX")
        holds = self._table.query(keys.repository_partition(repository), prefix=prefix, limit=MOST_INDEXES).items
        checks: list[Write] = []
        for index in dict.fromkeys(hold["index"] for hold in holds):
            standing = store.manifest(self._table, repository, index)
            if len(holds) == MOST_INDEXES or standing is None or standing.state != "binned":
                raise InUse("an index lists this manifest; delete the index first", index)
            checks.append(Check(keys.manifest(repository, index), equals("state", "binned")))
        return checks

    def _transact(self, writes: list[Write], entry: BinEntry | None = None) -> bool:
        """Whether it took effect; False: look again. `entry`, if the transaction puts one, tells where no answer came:
        otherwise a deletion would be carried out twice, and its second entry take the place of the first."""
        try:
            self._table.transact(writes)
        except TransactionCancelled:
            return False
        except OutcomeUnknown:
            standing = self._table.get(keys.bin_entry(entry.instance_id, entry.id)) if entry else None
            return entry is not None and standing is not None and len(standing["tags"]) == len(entry.tags)
        return True


def _full(entry: BinEntry) -> bool:
    """Whether the tags of another transaction might not fit in."""
    return len(entry.tags) > TAGS_PER_ENTRY - TAGS_PER_TRANSACTION
