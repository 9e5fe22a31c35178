"""How content leaves: tags and manifests into the recycle bin, manifests out of life when nothing holds them.

    tag deleted        TAG and its HOLD go, a bin entry and its HOLD come         ─┐  one transaction each,
    manifest deleted   the same for all its tags, and the manifest is `binned`    ─┤  raising the manifest's version
    entry expires      entry and HOLD go, the manifest is due                     ─┘
    manifest due       no HOLD, mortal, grace over → the row goes at the version seen, RELEASE comes
    release            edges and links go, blobs are collected, children and referrers are due

A RELEASE row stands until its work is done, so a crash anywhere leaves something to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chalicelib.immutability.service import Immutability, Judgement
from chalicelib.kernel.errors import Conflict, InUse, ManifestUnknown, Refused, TagImmutable, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import from_text, to_text
from chalicelib.kernel.names import Digest, TagName
from chalicelib.kernel.paging import every
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    Check,
    ConditionFailed,
    Delete,
    Item,
    Key,
    OutcomeUnknown,
    Put,
    TransactionCancelled,
    Update,
    Write,
    equals,
)

from . import store
from .bin_entries import BinEntries, Deletion, size_of
from .blobs import ATTEMPTS, Blobs
from .children import let_go
from .models import BinEntry, ManifestRecord, TagRecord

__all__ = ["TAGS_PER_TRANSACTION", "Deletion", "Retirement"]

# Of one manifest: two writes a tag, and room within the 100 of a transaction for the entry, its hold, the counter, the
# manifest, what it refers to, the indexes that list it and sixteen copies of a policy.
TAGS_PER_TRANSACTION: Final = 34
# Each into an entry of its own: two writes, two for the entry, one for its manifest, a policy's copy; and a counter.
TAGS_AT_ONCE: Final = 16
# A manifest that so many indexes list is not deleted alone: each deleted one costs a check of the same transaction.
MOST_INDEXES: Final = 10


class Retirement:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._blobs = Blobs(stack)
        self._bin = BinEntries(stack)
        self._immutability = Immutability(stack)

    # Into the bin

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
        """Its tags go with it, into one bin entry.

        sparse   indexes may list what is not here
        Raises ManifestUnknown, TagImmutable before anything goes, InUse while an index holds it.
        """
        entry_id, entered = new_id(), False
        for _ in range(ATTEMPTS):
            manifest = store.manifest(self._table, deletion.repository.id, digest)
            if manifest is None or manifest.state == "binned":
                if entered:
                    return
                raise ManifestUnknown(digest)
            # After the manifest, whose version is raised by whatever changes the entry: so it is as it stands.
            before = (
                store.read(self._table, keys.bin_entry(deletion.instance.id, entry_id), BinEntry) if entered else None
            )
            if entered and before is None:
                # Restored or freed between two pages: what is left goes into another.
                entry_id, entered = new_id(), False
            indexes = [] if sparse else self._deleted_indexes(deletion.repository.id, digest)
            tags, more = self._tags_of(deletion.repository.id, digest)
            all_of_them = more and not entered
            names = self._all_tags_of(deletion.repository.id, digest) if all_of_them else [tag.name for tag in tags]
            judgement = self._judge(deletion, names)
            judgement.require_movable()
            entry = self._entry(deletion, entry_id, "manifest", digest, manifest, tags, before)
            told = not more and not deletion.quiet
            change = {} if more else {"state": "binned"}
            writes = self._untag(tags) + self._bin.comes([entry], told=told, grows=entered)
            writes += [self._raise_version(manifest, **change), *indexes, *judgement.checks]
            if manifest.subject and not more:
                writes.append(Delete(keys.referrer(deletion.repository.id, manifest.subject, digest)))
            # A last page without tags makes the entry no different, so the entry could not tell of it.
            if self._transact(writes, entry if tags or not entered else None):
                if not more:
                    return
                entered = True
        raise Unavailable

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

    # Out of the bin, for good

    def expire(self, entry: BinEntry) -> None:
        """The grace period of a bin entry is over. Safe to repeat."""
        key = keys.bin_entry(entry.instance_id, entry.id)
        for _ in range(ATTEMPTS):
            standing = self._table.get(key)
            if standing is None:
                return
            writes = self._bin.goes([BinEntry.model_validate(standing)])
            manifest = store.manifest(self._table, entry.repository_id, entry.digest)
            if manifest is not None:
                # One that was pushed again since is live, and stays if that push gave it no tag.
                writes.append(self._look_again(manifest, mortal=manifest.state == "binned"))
            if self._transact(writes):
                return
        raise Unavailable

    def _look_again(self, manifest: ManifestRecord, *, mortal: bool) -> Update:
        """Makes the manifest due as soon as its own grace period allows."""
        moment = max(manifest.held_until, to_text(self._stack.clock.now()))
        due = store.manifest_due(manifest.digest, manifest.repository_id, moment)
        change = {"mortal": manifest.mortal or mortal, **due}
        key = keys.manifest(manifest.repository_id, manifest.digest)
        return Update(key, set=change, add={"version": 1}, when=store.as_seen(manifest))

    def settle(self, instance: str, repository: str, digest: str) -> None:
        """A manifest is due: it goes if nothing holds it, or is left alone. Safe to repeat.

        The version is read before the holds are looked for, and the row goes only at that version.
        """
        manifest = store.manifest(self._table, repository, digest)
        if manifest is None:
            return
        if manifest.held_until and from_text(manifest.held_until) > self._stack.clock.now():
            return
        key = keys.manifest(repository, digest)
        partition, prefix = keys.repository_partition(repository), keys.hold_prefix(digest)
        held = bool(self._table.query(partition, prefix=prefix, limit=1).items)
        as_seen = store.as_seen(manifest)
        if held or not manifest.mortal:
            try:
                self._table.update(Update(key, remove=("i1pk", "i1sk"), when=as_seen), relaxed=True)
            except ConditionFailed:
                return
            return
        writes: list[Write] = [
            Delete(key, when=as_seen),
            Put(store.release_item(instance, manifest, to_text(self._stack.clock.now()))),
        ]
        if manifest.subject:
            writes.append(Delete(keys.referrer(repository, manifest.subject, digest)))
        if self._transact(writes):
            self.release(instance, manifest.incarnation)

    def end_lease(self, edge: Item) -> None:
        """An upload's edge ran out. It goes together with a note to look at its blob: an edge that went alone would
        leave nothing to find if the sweeper died, and the blob would stay for ever."""
        unrenewed = equals("lease_until", edge["lease_until"])
        note = store.lease_release_item(edge, to_text(self._stack.clock.now()))
        try:
            self._table.transact([Delete(Key(edge["pk"], edge["sk"]), when=unrenewed), Put(note)], relaxed=True)
        except TransactionCancelled:
            return
        self.release(edge["instance_id"], edge["owner"])

    def release(self, instance: str, incarnation: str) -> None:
        """A dead manifest's edges, links, holds and referrers go, or the blob of a lease that ran out. Safe to repeat
        and to interrupt."""
        key = keys.release(incarnation)
        row = self._table.get(key)
        if row is None:
            return
        moment, repository = self._stack.clock.now(), row["repository_id"]
        for digest in row["blobs"]:
            self._blobs.drop_edge(keys.edge(instance, digest, repository, "MANIFEST", incarnation))
            self._blobs.release(instance, repository, digest, moment)
        for child in row["children"]:
            let_go(self._table, repository, child, incarnation, to_text(moment), mortal=True)
        if row["digest"]:
            self._orphan_referrers(repository, row["digest"])
        self._table.delete(Key(*key), relaxed=True)

    def _orphan_referrers(self, repository: str, subject: str) -> None:
        """What referred to a manifest goes with it, unless a tag or an index holds it."""
        if store.manifest(self._table, repository, subject) is not None:
            return  # Pushed again meanwhile.
        partition, prefix = keys.repository_partition(repository), keys.referrer_prefix(subject)
        for referrer in every(lambda cursor: self._table.query(partition, prefix=prefix, cursor=cursor)):
            self._orphan(repository, referrer)

    def _orphan(self, repository: str, referrer: Item) -> None:
        for _ in range(ATTEMPTS):
            manifest = store.manifest(self._table, repository, referrer["digest"])
            if manifest is None:
                return
            try:
                self._table.update(self._look_again(manifest, mortal=True), relaxed=True)
            except ConditionFailed:
                continue
            return
        raise Unavailable


def _live(manifest: ManifestRecord | None) -> bool:
    return manifest is not None and manifest.state == "live"
