"""How manifests of the recycle bin become live again, and with an index its children that were deleted alone.

    index live  ─►  child live, if the index still is  ─►  its links  ─►  its own children …  ─►  the event

From the moment when the index is live none of its children can be deleted alone, so one look finds them all. A process
that dies in between leaves an outbox row that says `restored`: the sweep looks once more. Each revival checks that the
index above is live: one that comes late undoes nothing that was deleted after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chalicelib.kernel.errors import Unavailable
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Check, OutcomeUnknown, Put, TransactionCancelled, Update, Write, all_of, equals

from . import rules, store
from .blobs import ATTEMPTS
from .bodies import Bodies
from .manifests import Manifests
from .models import ManifestRecord


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

    def revive_children(self, instance_id: str, index: ManifestRecord) -> None:
        """Children of an index that came back are live again, and can be pulled; those that are not here stay away.
        Not for namespaces that allow sparse indexes: what was deleted there may have been meant to. Safe to repeat."""
        seen: set[str] = set()
        # Not by calls of itself: somebody may have stacked thousands of indexes.
        floors = [self._children(index, seen)]
        while floors:
            above, child = next(floors[-1], (index, None))
            if child is None:
                floors.pop()
            elif self._live(instance_id, above, child):
                # Also of one that was live: whoever revived it may have died before it looked.
                self._manifests.relink(instance_id, child)
                floors.append(self._children(child, seen))

    def _children(self, index: ManifestRecord, seen: set[str]) -> Iterator[tuple[ManifestRecord, ManifestRecord]]:
        """(index, child) for each that is here and was not seen yet."""
        wanted = [child for child in index.children if child not in seen]
        seen.update(wanted)
        found = self._table.get_many([keys.manifest(index.repository_id, child) for child in wanted])
        for item in found.values():
            yield index, ManifestRecord.model_validate(item)

    def _live(self, instance_id: str, index: ManifestRecord, child: ManifestRecord) -> bool:
        """Whether the child is live; False: the index was deleted meanwhile, and the child may be."""
        same_life = equals("incarnation", index.incarnation)
        above = Check(keys.manifest(index.repository_id, index.digest), all_of(equals("state", "live"), same_life))
        for _ in range(ATTEMPTS):
            if child.state == "live":
                return True
            try:
                self._table.transact([above, *self.revived(instance_id, child)])
            except TransactionCancelled as cancelled:
                if 0 in cancelled.failed:
                    return False
            except OutcomeUnknown:
                pass
            else:
                return True
            standing = store.manifest(self._table, child.repository_id, child.digest)
            if standing is None:
                return False
            child = standing
        raise Unavailable
