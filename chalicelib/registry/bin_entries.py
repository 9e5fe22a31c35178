"""Entries of the recycle bin, as the transactions write them that make one or take one out.

    comes   its row, what holds its manifest, its bytes on the counter: with whatever deletes
    goes    all of these gone: with whatever restores it, frees it or lets it expire; what nobody was told of yet stays
            as an event of its own

An entry counts with all it holds, though others hold the same: what a namespace takes along counts with the namespace's
entry and not with the parts under it. What it counted with never changes, so that it goes with just as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.origin import request_id
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Delete, Put, Update, Write, present
from chalicelib.repositories.models import Repository

from . import store
from .models import BinEntry, ManifestRecord


@dataclass(frozen=True, slots=True)
class Deletion:
    """Who deletes in which repository. quiet: for a task, which is an event of its own; its entries are none."""

    instance: Instance
    repository: Repository
    by: str
    quiet: bool = False


class BinEntries:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)

    def new(self, instance: Instance, by: str, **what: Any) -> BinEntry:
        """Of what is deleted now, and not when a slow deletion began: the grace period is whole."""
        moment = self._stack.clock.now()
        return BinEntry(
            instance_id=instance.id,
            deleted_at=to_text(moment),
            deleted_by=by,
            expires_at=to_text(moment + timedelta(seconds=self._stack.settings.grace_s)),
            stood_still_s=instance.stood_still_s,
            counted=not what.get("parent"),
            origin=request_id(),
            **what,
        )

    def comes(self, entries: Sequence[BinEntry], *, told: bool) -> list[Write]:
        """Of one instance, one at least. told: each is an event."""
        return [*self.rows(entries, told=told), *self.counted(entries)]

    def rows(self, entries: Sequence[BinEntry], *, told: bool) -> list[Write]:
        """Also of one that was there before, with less in it."""
        writes: list[Write] = [Put(store.bin_item(entry, told=told)) for entry in entries]
        return writes + [
            Put(store.hold_item(entry.repository_id, entry.digest, "BIN", entry.id))
            for entry in entries
            if entry.digest
        ]

    def counted(self, entries: Sequence[BinEntry], sign: int = 1) -> list[Update]:
        """Of one instance; once in a transaction. All on one shard, whichever: only their sum is ever read."""
        if not entries:
            return []
        size = sum(entry.size for entry in entries if entry.counted)
        return self._instances.binned_changes(entries[0].instance_id, {entries[0].id: sign * size})

    def goes(self, entries: Sequence[BinEntry]) -> list[Write]:
        """Of one instance, one at least. Position 0 and those that follow, one an entry, fail where it is gone."""
        writes: list[Write] = [Delete(store.bin_key(entry), present()) for entry in entries]
        writes += [
            Delete(keys.hold(entry.repository_id, entry.digest, "BIN", entry.id)) for entry in entries if entry.digest
        ]
        writes += [Put(store.early_event_item(entry)) for entry in entries if entry.i2sk]
        return [*writes, *self.counted(entries, -1)]


def size_of(manifest: ManifestRecord) -> int:
    """Bytes of all that its pull brings, as far as somebody has looked into it."""
    return manifest.content_size if manifest.whole_size is None else manifest.whole_size
