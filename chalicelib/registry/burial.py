"""How content goes for good: entries out of the recycle bin, manifests out of life when nothing holds them.

    entry expires      entry and HOLD go, the manifest is due                     one transaction, at its version
    manifest due       no HOLD, mortal, grace over → the row goes at the version seen, RELEASE comes
    release            edges and links go, blobs are collected, children and referrers are due

A RELEASE row stands until its work is done, so a crash anywhere leaves something to find.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.moment import from_text, to_text
from chalicelib.kernel.paging import every
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
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
from .bin_entries import BinEntries
from .blobs import ATTEMPTS, Blobs
from .children import let_go
from .models import BinEntry, ManifestRecord


class Burial:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._blobs = Blobs(stack)
        self._bin = BinEntries(stack)

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
            with contextlib.suppress(ConditionFailed):
                self._table.update(Update(key, remove=("i1pk", "i1sk"), when=as_seen), relaxed=True)
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

    def _transact(self, writes: Sequence[Write]) -> bool:
        """Whether it took effect for all that is known; False: look again."""
        try:
            self._table.transact(writes)
        except (TransactionCancelled, OutcomeUnknown):
            return False
        return True
