"""How manifests of the recycle bin become live again, and with an index those of its children that were deleted alone.

    children   deepest first, before their index comes back: nobody meets a live index whose children are missing
    again      after it came back: from then on none of them can be deleted alone, so what one more look finds is final

A process that dies in between leaves an outbox row that says `restored`: the sweep looks once more.
"""

from __future__ import annotations

from typing import Any, Final

from chalicelib.kernel.errors import Unavailable
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Check, OutcomeUnknown, Put, TransactionCancelled, Update, Write, equals

from . import rules, store
from .blobs import ATTEMPTS
from .bodies import Bodies
from .manifests import Manifests
from .models import ManifestRecord

# Each costs one check of the 100 that a transaction has room for.
MOST_CHECKED_CHILDREN: Final = 90


class Revival:
    def __init__(self, stack: Stack) -> None:
        self._table = stack.table
        self._bodies = Bodies(stack)
        self._manifests = Manifests(stack)

    def revived(self, instance_id: str, manifest: ManifestRecord, **change: Any) -> list[Write]:
        """Writes for somebody's transaction: the manifest is live, and listed with what it refers to. Position 0 fails
        if it is not as it was seen."""
        key = keys.manifest(manifest.repository_id, manifest.digest)
        when = store.as_seen(manifest)
        writes: list[Write] = [Update(key, set={"state": "live", **change}, add={"version": 1}, when=when)]
        if manifest.subject and manifest.state == "binned":
            body = self._bodies.of(instance_id, manifest)
            annotations = rules.parse_manifest(body, manifest.media_type).annotations
            writes.append(Put(store.referrer_item(manifest, annotations, rules.ANNOTATIONS_LIMIT_BYTES)))
        return writes

    def revive_children(self, instance_id: str, index: ManifestRecord, *, relink: bool = False) -> None:
        """Children of the index that are in the bin are live again; those that are not here stay away. Safe to repeat.

        relink   those that are live already may lack links: whoever revived them may have died before it looked
        """
        self._children(instance_id, index, relink, set())

    def _children(self, instance_id: str, index: ManifestRecord, relink: bool, seen: set[str]) -> None:
        wanted = [child for child in index.children if child not in seen]
        seen.update(wanted)
        found = self._table.get_many([keys.manifest(index.repository_id, child) for child in wanted])
        for item in found.values():
            child = ManifestRecord.model_validate(item)
            if child.state == "binned":
                self._revive(instance_id, child, seen)
            elif relink:
                self._manifests.relink(instance_id, child)

    def _revive(self, instance_id: str, child: ManifestRecord, seen: set[str]) -> None:
        # Before as well as after: no moment at which it is live and cannot be pulled, and none of unlinking in between.
        self._manifests.relink(instance_id, child)
        for _ in range(ATTEMPTS):
            self._children(instance_id, child, False, seen)
            below = [keys.manifest(child.repository_id, one) for one in child.children]
            here = self._table.get_many(below)
            checks = [Check(key, equals("state", "live")) for key in below if key in here][:MOST_CHECKED_CHILDREN]
            try:
                self._table.transact([*self.revived(instance_id, child), *checks])
            except (TransactionCancelled, OutcomeUnknown):
                standing = store.manifest(self._table, child.repository_id, child.digest)
                if standing is None:
                    return None
                child, seen = standing, set()
            else:
                return self._manifests.relink(instance_id, child)
            if child.state == "live":
                return self._manifests.relink(instance_id, child)
        raise Unavailable
