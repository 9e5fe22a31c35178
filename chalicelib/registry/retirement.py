"""How tags and manifests leave: into the recycle bin. How they go for good: `burial.py`.

    tag deleted        TAG and its HOLD go, a bin entry and its HOLD come         ─┐  one transaction each,
    manifest deleted   the same for all its tags, and the manifest is `binned`    ─┘  raising the manifest's version

A manifest of many tags goes page by page; only with the last page is it `binned`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chalicelib.immutability.service import Immutability, Judgement
from chalicelib.kernel.errors import Conflict, InUse, ManifestUnknown, Refused, TagImmutable, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.names import Digest, TagName
from chalicelib.kernel.paging import every
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    Check,
    Delete,
    OutcomeUnknown,
    TransactionCancelled,
    Update,
    Write,
    equals,
)

from . import store
from .bin_entries import BinEntries, Deletion, size_of
from .blobs import ATTEMPTS
from .models import BinEntry, ManifestRecord, TagRecord

__all__ = ["TAGS_PER_TRANSACTION", "Deletion", "Retirement"]

# Of one manifest: two writes a tag, and room within the 100 of a transaction for the entry, its hold, the counter, the
# manifest, what it refers to, the indexes that list it and sixteen copies of a policy.
TAGS_PER_TRANSACTION: Final = 34
# With the longest names these are three quarters of what an item may hold.
TAGS_PER_ENTRY: Final = 750
# Each into an entry of its own: two writes, two for the entry, one for its manifest, a policy's copy; and a counter.
TAGS_AT_ONCE: Final = 16
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

        What became of each: None, it is deleted; else why not: ManifestUnknown, it was gone; TagImmutable; Conflict,
        another push moved it.
        """
        outcomes: dict[TagName, Refused | None] = {}
        for start in range(0, len(tags), TAGS_AT_ONCE):
            outcomes |= self._delete_together(deletion, tags[start : start + TAGS_AT_ONCE])
        return outcomes

    def _delete_together(self, deletion: Deletion, tags: Sequence[TagRecord]) -> dict[TagName, Refused | None]:
        """In one transaction, or one by one where something moved meanwhile."""
        repository = deletion.repository
        found = self._table.get_many([keys.manifest(repository.id, digest) for digest in {tag.digest for tag in tags}])
        manifests = {item["digest"]: ManifestRecord.model_validate(item) for item in found.values()}
        judgement = self._judge(deletion, [tag.name for tag in tags])
        outcomes: dict[TagName, Refused | None] = {
            tag.name: TagImmutable(repository.name, tag.name, rule)
            for tag in tags
            if (rule := judgement.rule_over(tag.name))
        }
        going = [tag for tag in tags if tag.name not in outcomes and _live(manifests.get(tag.digest))]
        if going:
            named = [(tag, manifests[tag.digest], new_id()) for tag in going]
            if self._retire_tags(deletion, named, judgement):
                outcomes |= dict.fromkeys(tag.name for tag in going)
        return outcomes | {tag.name: self._outcome(deletion, tag) for tag in tags if tag.name not in outcomes}

    def _outcome(self, deletion: Deletion, tag: TagRecord) -> Refused | None:
        try:
            self.delete_tag(deletion, tag.name, push=tag.push)
        except (ManifestUnknown, Conflict) as refused:
            return refused
        return None

    def delete_tag(self, deletion: Deletion, name: TagName, *, push: str = "") -> None:
        """The content stays as long as anything holds it, the bin entry included.

        push   only if the tag is where this push put it
        Raises ManifestUnknown, TagImmutable, Conflict if another push moved it.
        """
        entry_id = new_id()
        for _ in range(ATTEMPTS):
            tag = store.tag(self._table, deletion.repository.id, name)
            manifest = store.manifest(self._table, deletion.repository.id, tag.digest) if tag else None
            if tag is None or manifest is None or manifest.state == "binned":
                raise ManifestUnknown(name)
            if push not in ("", tag.push):
                raise Conflict(f"tag {name} was pushed meanwhile", tag=name)
            judgement = self._judge(deletion, [name])
            judgement.require_movable()
            if self._retire_tags(deletion, [(tag, manifest, entry_id)], judgement):
                return
        raise Unavailable

    def _retire_tags(
        self, deletion: Deletion, named: Sequence[tuple[TagRecord, ManifestRecord, str]], judgement: Judgement
    ) -> bool:
        """named: each with its manifest and the id of its entry. Whether it took effect."""
        entries = [self._entry(deletion, entry, "tag", tag.name, manifest, [tag]) for tag, manifest, entry in named]
        manifests = {manifest.digest: manifest for _, manifest, _ in named}
        writes = [
            *self._untag([tag for tag, _, _ in named]),
            *self._bin.comes(entries, told=not deletion.quiet),
            *(self._raise_version(manifest) for manifest in manifests.values()),
            *judgement.checks,
        ]
        return self._transact(writes, entries[0])

    def delete_manifest(self, deletion: Deletion, digest: Digest, *, sparse: bool) -> None:
        """Its tags go with it, into one bin entry, or more where they are very many.

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
            tags, more = self._tags_of(deletion.repository.id, digest)
            all_of_them = more and not begun
            names = self._all_tags_of(deletion.repository.id, digest) if all_of_them else [tag.name for tag in tags]
            judgement = self._judge(deletion, names)
            judgement.require_movable()
            entry = self._entry(deletion, entry_id, "manifest", digest, manifest, tags, before)
            told = (not more or _full(entry)) and not deletion.quiet
            change = {} if more else {"state": "binned"}
            writes = self._untag(tags) + self._bin.comes([entry], told=told, grows=before is not None)
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
        tags: list[TagRecord],
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
                *({"name": t.name, "pushed_at": t.pushed_at, "pushed_by": t.pushed_by} for t in tags),
            ),
            size=before.size if before else size_of(manifest),
        )

    def _untag(self, tags: list[TagRecord]) -> list[Write]:
        writes: list[Write] = []
        for tag in tags:
            writes.append(Delete(keys.tag(tag.repository_id, tag.name), when=store.as_seen(tag)))
            writes.append(Delete(keys.hold(tag.repository_id, tag.digest, "TAG", tag.name)))
        return writes

    def _raise_version(self, manifest: ManifestRecord, **change: str) -> Update:
        key = keys.manifest(manifest.repository_id, manifest.digest)
        return Update(key, set=change, add={"version": 1}, when=store.as_seen(manifest))

    def _tags_of(self, repository: str, digest: str) -> tuple[list[TagRecord], bool]:
        """Some of the tags that point to the manifest, and whether there are more."""
        page = self._table.query(
            keys.repository_partition(repository),
            prefix=keys.hold_prefix(digest, "TAG"),
            limit=TAGS_PER_TRANSACTION,
        )
        found = self._table.get_many([keys.tag(repository, hold["owner"]) for hold in page.items])
        tags = [TagRecord.model_validate(item) for item in found.values()]
        return [tag for tag in tags if tag.digest == digest], page.next is not None

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


def _live(manifest: ManifestRecord | None) -> bool:
    return manifest is not None and manifest.state == "live"


def _full(entry: BinEntry) -> bool:
    """Whether the tags of another transaction might not fit in."""
    return len(entry.tags) > TAGS_PER_ENTRY - TAGS_PER_TRANSACTION
