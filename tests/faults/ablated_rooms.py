"""Rooms that do one step of a protocol otherwise, for `ablations.py`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from chalicelib.ports import keys
from chalicelib.ports.table import ConditionFailed, Item, Key
from chalicelib.registry import store
from chalicelib.registry.blobs import Blobs, unchanged
from chalicelib.registry.burial import Burial
from chalicelib.registry.manifests import Manifests
from chalicelib.registry.models import HeadRecord, ManifestRecord


class ReadsBeforeItHolds(Blobs):
    def hold(self, intent: Item, instance: str, record: ManifestRecord) -> None:
        self._table.put(intent, relaxed=True)
        edges = store.edge_items(instance, record.held, record.repository_id, record.incarnation, record.digest)
        self._later = edges

    def require(self, instance: str, repository: str, needed: dict[str, int], optional: Iterable[str] = ()) -> None:
        super().require(instance, repository, needed, optional)
        self._table.put_many(self._later, relaxed=True)


class CollectsWithoutCondemning(Blobs):
    def collect(self, instance: str, digest: str, moment: datetime) -> None:
        seen = self._table.get(keys.head(instance, digest))
        if seen is None or seen["state"] == "D" or self._has_edge(instance, digest, keys.edge_prefix()):
            return
        self._kill(instance, digest, seen, moment)


class UnlinksWithoutCondemning(Blobs):
    def _unlink_unless(self, repository: str, digest: str, needed: Any) -> None:
        key = keys.link(repository, digest)
        seen = self._table.get(key)
        if seen is None or needed():
            return
        try:
            self._table.delete(key, when=unchanged(seen))
        except ConditionFailed:
            return


class NeverRescues(Blobs):
    def _rescue_head(self, instance: str, digest: str, item: Item | None) -> HeadRecord:
        taken_for_live = {**item, "state": "L"} if item is not None and item["state"] == "C" else item
        return super()._rescue_head(instance, digest, taken_for_live)


class NeverRescuesLinks(Blobs):
    def _rescue_link(self, repository: str, digest: str, item: Item | None) -> None:
        super()._rescue_link(repository, digest, item and {**item, "state": "L"})


class ErasesWhatIsLive(Blobs):
    """As if a key were used again: what is deleted late is what stands there by then."""

    def erase(self, tombstone: Item) -> None:
        head = store.head(self._table, tombstone["instance_id"], tombstone["digest"]) if tombstone["digest"] else None
        super().erase({**tombstone, "object": head.key} if head is not None else tombstone)


class DeletesBytesFirst(Blobs):
    def _kill(self, instance: str, digest: str, seen: Item, moment: datetime) -> bool:
        self._stack.objects(seen["bucket"]).delete(seen["key"])
        return super()._kill(instance, digest, seen, moment)


class ErasesAtOnceAndByDigest(Blobs):
    """Frees the row of the dead without asking whether it is still the one that died."""

    def erase(self, tombstone: Item) -> None:
        if tombstone["digest"]:
            self._table.delete(keys.head(tombstone["instance_id"], tombstone["digest"]))
        super().erase(tombstone)


class LooksForTheManifestFirst(Blobs):
    def _live_holder(self, instance: str, repository: str, digest: str) -> str:
        prefix = f"{keys.edge_prefix(repository)}MANIFEST#"
        for edge in self._table.query(keys.blob_partition(instance, digest), prefix=prefix).items:
            manifest = store.manifest(self._table, repository, edge["manifest"])
            if manifest is not None and manifest.state == "live":
                return manifest.digest
            if self._table.get(keys.intent(edge["owner"])) is not None:
                return str(edge["manifest"])
        return ""


class NeverRelinks(Manifests):
    def relink(self, instance: str, held: ManifestRecord) -> None:
        return


class LetsGoFirst(Burial):
    """Drops the edges of a manifest before its row."""

    def settle(self, instance: str, repository: str, digest: str) -> None:
        manifest = store.manifest(self._table, repository, digest)
        prefix = keys.hold_prefix(digest)
        if manifest is not None and manifest.mortal:
            held = self._table.query(keys.repository_partition(repository), prefix=prefix, limit=1).items
            for blob in manifest.held if not held else ():
                self._blobs.drop_edge(keys.edge(instance, blob, repository, "MANIFEST", manifest.incarnation))
                self._blobs.release(instance, repository, blob, self._stack.clock.now())
        super().settle(instance, repository, digest)


class ForgetsLeases(Burial):
    """An expired edge goes alone, without a note of what is left to do."""

    def end_lease(self, edge: Item) -> None:
        self._blobs.drop_edge(Key(edge["pk"], edge["sk"]))
        self._blobs.release(edge["instance_id"], edge["repository_id"], edge["digest"], self._stack.clock.now())
