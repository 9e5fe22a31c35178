"""Blobs, by edge, condemnation and generation: a byte that was answered for is never lost, and collection never stops.

    push:      put EDGE, then read HEAD and LINK      L go on · C rescue by swap · D or absent: unknown
    collect:   HEAD L→C(token) · query EDGE · some: back to L · none: C(same token)→D · later delete that generation
    unlink:    LINK L→C(token) · query this repository's EDGE · some: back to L · none: delete by the same token

Whoever needs a blob writes the edge first and looks second; whoever wants it gone condemns first and looks second.
So one of the two sees the other, and the swap of the one that came late fails. No clock and no lock takes part.
Who lets go begins again after a swap that failed: whoever came in between may have died over it.
`tests/model` explores every interleaving of this; docs: storage protocol in `chalicelib/README.md`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import (
    BlobUnknown,
    InUse,
    ManifestBlobUnknown,
    NotFound,
    QuotaExceeded,
    Unavailable,
    UploadUnknown,
)
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest
from chalicelib.packages.models import INVENTORY_VERSION
from chalicelib.ports import keys, paths
from chalicelib.ports.memory import Knowledge
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    TRANSACTION_LIMIT_ITEMS,
    ConditionFailed,
    Delete,
    Item,
    Key,
    OutcomeUnknown,
    Put,
    TransactionCancelled,
    Update,
    Write,
    absent,
    all_of,
    equals,
)
from chalicelib.repositories.departure import gone

from . import rules, store
from .models import HeadRecord, ManifestRecord, StoredBlob, UploadRecord

# A lease that has more than this part of its life left is not renewed again.
LEASE_FRESH: Final = 23 / 24
# Each turn means that somebody else moved the same row; with as many turns lost, something is wrong.
ATTEMPTS: Final = 50


class Blobs:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._instances = Instances(stack)
        # A blob that was uploaded, or that a pusher was told exists, is kept this long for the manifest to name it.
        self._lease = timedelta(seconds=stack.settings.upload_ttl_s)

    # Reading

    def knowledge(self, instance: str, repository: str, digest: Digest) -> Knowledge[StoredBlob]:
        """Raises BlobUnknown unless the repository has a link to the digest and its bytes are there."""
        link_key, head_key = keys.link(repository, digest), keys.head(instance, digest)

        def made(found: Mapping[Key, Item]) -> StoredBlob:
            if link_key not in found or head_key not in found:
                raise BlobUnknown(digest)
            head = HeadRecord.model_validate(found[head_key])
            if head.state == "D":
                raise BlobUnknown(digest)
            return StoredBlob(digest, head.size, head.bucket, head.key)

        return Knowledge(("blob", repository, digest), (link_key, head_key), made)

    # Needing

    def hold(self, intent: Item, instance: str, record: ManifestRecord) -> None:
        """Puts the intent of a manifest about to be committed, then its edges; at once where a transaction has room.
        Only what is read after this proves anything."""
        edges = store.edge_items(instance, record.held, record.repository_id, record.incarnation, record.digest)
        announced = Put(intent, when=absent())
        if len(edges) < TRANSACTION_LIMIT_ITEMS:
            self._table.transact([announced, *(Put(edge) for edge in edges)], relaxed=True)
            return
        self._table.put(intent, when=absent(), relaxed=True)
        self._table.put_many(edges, relaxed=True)

    def require(self, instance: str, repository: str, needed: dict[str, int], optional: Iterable[str] = ()) -> None:
        """After `hold`: the repository stands, and every needed digest (with its size in bytes) is here and stays.
        Optional ones are rescued if they are here. Raises NotFound, ManifestBlobUnknown, SizeInvalid."""
        both, pointer = [*needed, *optional], keys.repository_by_id(repository)
        wanted = [key for digest in both for key in (keys.head(instance, digest), keys.link(repository, digest))]
        found = self._table.get_many([pointer, *wanted])
        if gone(found.get(pointer)):
            raise NotFound("the repository was deleted meanwhile")
        for digest in both:
            try:
                head = self._rescue_head(instance, digest, found.get(keys.head(instance, digest)))
                self._rescue_link(repository, digest, found.get(keys.link(repository, digest)))
            except BlobUnknown:
                if digest in needed:
                    raise ManifestBlobUnknown(digest) from None
            else:
                if digest in needed:
                    rules.refuse_wrong_size(digest, needed[digest], head.size)

    def _rescue_head(self, instance: str, digest: str, item: Item | None) -> HeadRecord:
        key = keys.head(instance, digest)
        for _ in range(ATTEMPTS):
            if item is None or item["state"] == "D":
                raise BlobUnknown(digest)
            if item["state"] == "L":
                return HeadRecord.model_validate(item)
            item = self._swap(key, item, {"state": "L", "token": ""})
        raise Unavailable

    def _rescue_link(self, repository: str, digest: str, item: Item | None) -> None:
        key = keys.link(repository, digest)
        for _ in range(ATTEMPTS):
            if item is None:
                raise BlobUnknown(digest)
            if item["state"] == "L":
                return
            item = self._swap(key, item, {"state": "L", "token": ""})
        raise Unavailable

    def _swap(self, key: Key, seen: Item, change: dict[str, Any]) -> Item | None:
        """Changes a HEAD or LINK if it is still just what was seen; answers what stands there afterwards."""
        try:
            return self._table.update(Update(key, set=change, when=unchanged(seen)), relaxed=True)
        except ConditionFailed as failed:
            return failed.item
        except OutcomeUnknown:
            return self._table.get(key)

    # Arriving

    def adopt(
        self, instance: Instance, repository: str, upload: UploadRecord, key: str, moment: datetime
    ) -> StoredBlob:
        """The end of an upload: its verified bytes stand under `key`. Edge, then HEAD, then link; only then 201.

        Where the digest is here already its generation is kept, and ours becomes rubbish. Raises QuotaExceeded.
        """
        due = to_text(moment + self._lease)
        edge = store.edge_item(instance.id, upload.digest, repository, "UPLOAD", upload.id, "", due)
        self._table.put(edge, relaxed=True)
        try:
            head = self._make_live(instance, upload, key, moment)
        except QuotaExceeded:
            self._table.delete(Key(edge["pk"], edge["sk"]), relaxed=True)
            raise
        self.link(repository, upload.digest, due)
        return StoredBlob(upload.digest, head.size, head.bucket, head.key)  # type: ignore[arg-type]

    def _make_live(self, instance: Instance, upload: UploadRecord, key: str, moment: datetime) -> HeadRecord:
        ours = HeadRecord(state="L", generation=upload.id, bucket=upload.bucket, key=key, size=upload.offset)
        head_key = keys.head(instance.id, upload.digest)
        before = all_of(equals("state", "open"), equals("version", upload.version - 1))
        finished = Put(store.upload_item(upload, ""), when=before)
        for _ in range(ATTEMPTS):
            seen = self._table.get(head_key)
            if seen is not None and seen["generation"] == upload.id and seen["state"] != "D":
                return ours  # An earlier attempt of ours took effect though its outcome was not told.
            if seen is not None and seen["state"] != "D":
                theirs = self._rescue_head_or_none(instance.id, upload.digest, seen)
                if theirs is None:
                    continue
                rubbish = store.tombstone_item(
                    upload.id, upload.bucket, key, to_text(moment), digest="", instance=instance.id
                )
                writes: list[Write] = [finished, Put(rubbish)]
            else:
                theirs = ours
                change = self._instances.storage_change(instance, upload.digest, ours.size)
                writes = [finished, Put(store.item(head_key, ours), when=unchanged(seen)), change]
            if self._finish(writes, upload, instance.storage_limit_bytes):
                return theirs
        raise Unavailable

    def _finish(self, writes: list[Write], upload: UploadRecord, storage_limit_bytes: int | None) -> bool:
        """Whether the upload is finished; False: look again. `writes`: upload, HEAD or tombstone, storage counter.

        Raises QuotaExceeded, UploadUnknown.
        """
        try:
            self._table.transact(writes, relaxed=True)
        except TransactionCancelled as cancelled:
            if 0 in cancelled.failed:
                standing = cancelled.failed[0]
                if standing is None:
                    self._bury(upload)
                if standing is None or standing["digest"] != upload.digest:
                    raise UploadUnknown(upload.id) from None
                return True  # An earlier attempt of ours took effect though its outcome was not told.
            if 1 not in cancelled.failed:
                raise QuotaExceeded("storage", storage_limit_bytes or 0) from None
            return False
        except OutcomeUnknown:
            return False
        return True

    def _bury(self, upload: UploadRecord) -> None:
        """The session was cleared away, bytes and all, before these bytes came: nothing else knows of them."""
        key, now = paths.blob(upload.instance_id, upload.id), to_text(self._stack.clock.now())
        self._table.put(
            store.tombstone_item(upload.id, upload.bucket, key, now, digest="", instance=upload.instance_id),
            relaxed=True,
        )

    def _rescue_head_or_none(self, instance: str, digest: str, seen: Item) -> HeadRecord | None:
        try:
            return self._rescue_head(instance, digest, seen)
        except BlobUnknown:
            return None

    def link(self, repository: str, digest: str, lease_until: str) -> None:
        """The repository may read the digest from now on; durable on return. An edge of it stands already."""
        key = keys.link(repository, digest)
        for _ in range(ATTEMPTS):
            seen = self._table.get(key)
            item = store.link_item(repository, digest, max(lease_until, seen["lease_until"] if seen else ""))
            try:
                return self._table.put(item, when=unchanged(seen))
            except (ConditionFailed, OutcomeUnknown):
                continue
        raise Unavailable

    def renew(self, instance: str, repository: str, digest: str, moment: datetime) -> None:
        """A pusher was told that the digest is here: keep it for the manifest that follows. Raises BlobUnknown."""
        seen = self._table.get(keys.link(repository, digest))
        if seen is None:
            raise BlobUnknown(digest)
        if seen["state"] == "L" and seen["lease_until"] > to_text(moment + self._lease * LEASE_FRESH):
            return
        self.lease(instance, repository, digest, moment)

    def lease(self, instance: str, repository: str, digest: str, moment: datetime) -> HeadRecord:
        """Edge, then HEAD, then link, for content that is here already (renewal, mount). Raises BlobUnknown."""
        due = to_text(moment + self._lease)
        edge = store.edge_item(instance, digest, repository, "UPLOAD", new_id(), "", due)
        self._table.put(edge, relaxed=True)
        head = self._rescue_head(instance, digest, self._table.get(keys.head(instance, digest)))
        self.link(repository, digest, due)
        return head

    # Leaving

    def drop_edge(self, edge: Key) -> None:
        self._table.delete(edge, relaxed=True)

    def release(self, instance: str, repository: str, digest: str, moment: datetime) -> None:
        """An edge went: unlink and collect if it was the last. Safe to repeat, safe to call without reason."""
        self._unlink_unless(repository, digest, lambda: self._has_edge(instance, digest, keys.edge_prefix(repository)))
        self.collect(instance, digest, moment)

    def delete(self, instance: str, repository: str, digest: str) -> None:
        """A person deletes a blob of a repository. Raises BlobUnknown, InUse while a live manifest needs it."""
        if self._table.get(keys.link(repository, digest)) is None:
            raise BlobUnknown(digest)
        holder = ""

        def needed() -> bool:
            nonlocal holder
            holder = self._live_holder(instance, repository, digest)
            return bool(holder)

        self._unlink_unless(repository, digest, needed)
        if holder:
            raise InUse(f"manifest {holder} needs this blob; delete the manifest first", holder)

    def _unlink_unless(self, repository: str, digest: str, needed: Callable[[], bool]) -> None:
        """Until it is gone or needed. Whoever came in between may have died over it, and nobody comes after us."""
        key = keys.link(repository, digest)
        for _ in range(ATTEMPTS):
            seen = self._table.get(key)
            if seen is None:
                return
            condemned = {"state": "C", "token": new_id()}
            with contextlib.suppress(ConditionFailed):
                seen = self._table.update(Update(key, set=condemned, when=unchanged(seen)), relaxed=True)
                if needed():
                    self._swap(key, seen, {"state": "L", "token": ""})
                    return
                self._table.delete(key, when=unchanged(seen))
                return
        raise Unavailable

    def _has_edge(self, instance: str, digest: str, prefix: str) -> bool:
        return bool(self._table.query(keys.blob_partition(instance, digest), prefix=prefix, limit=1).items)

    def _live_holder(self, instance: str, repository: str, digest: str) -> str:
        """Digest of a manifest of the repository that needs the blob: live, or about to be; empty for none."""
        cursor = None
        prefix = f"{keys.edge_prefix(repository)}MANIFEST#"
        while True:
            page = self._table.query(keys.blob_partition(instance, digest), prefix=prefix, cursor=cursor)
            for edge in page.items:
                # The intent first: a commit takes it away as it brings the manifest, so one of the two is seen.
                intent = self._table.get(keys.intent(edge["owner"]))
                if intent is not None and intent["state"] == "OPEN":
                    return str(edge["manifest"])
                manifest = store.manifest(self._table, repository, edge["manifest"])
                if manifest is not None and manifest.incarnation == edge["owner"] and manifest.state == "live":
                    return manifest.digest
            cursor = page.next
            if cursor is None:
                return ""

    def collect(self, instance: str, digest: str, moment: datetime) -> None:
        """Frees the digest if nothing needs it. Any number of these, at any time, are harmless.

        Until it is dead or needed: whoever came in between may have died over it, and nobody comes after us."""
        key = keys.head(instance, digest)
        for _ in range(ATTEMPTS):
            # Most hints are about base layers that others hold too: look before condemning, or they would flap.
            if self._has_edge(instance, digest, keys.edge_prefix()):
                return
            seen = self._table.get(key)
            if seen is None or seen["state"] == "D":
                return
            condemned = {"state": "C", "token": new_id()}
            try:
                seen = self._table.update(Update(key, set=condemned, when=unchanged(seen)), relaxed=True)
            except ConditionFailed:
                continue
            if self._has_edge(instance, digest, keys.edge_prefix()):
                self._swap(key, seen, {"state": "L", "token": ""})
                return
            if self._kill(instance, digest, seen, moment):
                return
        raise Unavailable

    def _kill(self, instance: str, digest: str, seen: Item, moment: datetime) -> bool:
        """Whether it took effect; False: somebody else changed it meanwhile."""
        head = HeadRecord.model_validate(seen)
        due = to_text(moment + timedelta(seconds=self._stack.settings.tombstone_s))
        tombstone = store.tombstone_item(head.generation, head.bucket, head.key, due, digest=digest, instance=instance)
        writes: list[Write] = [
            Update(keys.head(instance, digest), set={"state": "D"}, when=unchanged(seen)),
            Put(tombstone),
            self._instances.storage_change(self._instances.get(instance), digest, -head.size),
        ]
        try:
            self._table.transact(writes)
        except TransactionCancelled:
            return False
        return True

    def erase(self, tombstone: Item) -> None:
        """Deletes the bytes of a dead generation, then what is left of its rows. Safe to repeat and to be late with:
        a generation is never used twice."""
        objects = self._stack.objects(tombstone["bucket"])
        objects.delete(tombstone["object"])
        if tombstone["digest"]:
            # What it was found to hold goes too. Pushed again meanwhile, it is read again when somebody asks.
            for key in paths.surveyed(tombstone["instance_id"], tombstone["digest"], INVENTORY_VERSION):
                objects.delete(key)
            dead = all_of(equals("state", "D"), equals("generation", tombstone["generation"]))
            with contextlib.suppress(ConditionFailed):
                self._table.delete(keys.head(tombstone["instance_id"], tombstone["digest"]), when=dead, relaxed=True)
        gone: list[Write] = [
            Delete(keys.upload(tombstone["generation"])),
            Delete(keys.tombstone(tombstone["generation"])),
        ]
        self._table.transact(gone, relaxed=True)


def unchanged(seen: Item | None) -> Any:
    """A HEAD or LINK is just what was seen: state, token and, where it has one, generation."""
    if seen is None:
        return absent()
    same = [equals("state", seen["state"]), equals("token", seen["token"])]
    if "generation" in seen:
        same.append(equals("generation", seen["generation"]))
    return all_of(*same)
