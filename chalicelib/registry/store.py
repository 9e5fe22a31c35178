"""Items ↔ models. The only place of the room that builds items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from chalicelib.kernel.ids import new_id
from chalicelib.kernel.origin import request_id
from chalicelib.ports import keys
from chalicelib.ports.table import Condition, Item, Key, Table, Update, all_of, equals

from .models import Acceleration, BinEntry, HeadRecord, How, ManifestRecord, Record, TagRecord, UploadRecord

R = TypeVar("R", bound=Record)


def item(key: Key, record: Record, **index: str) -> dict[str, Any]:
    # Records are flat and frozen: their fields are the item, and need no dumping.
    return {"pk": key.pk, "sk": key.sk, **record.__dict__, **index}


def read(table: Table, key: Key, model: type[R]) -> R | None:
    found = table.get(key)
    return None if found is None else model.model_validate(found)


# Manifests and tags


def manifest(table: Table, repository: str, digest: str) -> ManifestRecord | None:
    return read(table, keys.manifest(repository, digest), ManifestRecord)


def as_seen(record: ManifestRecord | TagRecord) -> Condition:
    """Nobody has changed the row since; nor deleted it and made another that counts from 1 again."""
    if isinstance(record, TagRecord):
        return equals("push", record.push)
    return all_of(equals("incarnation", record.incarnation), equals("version", record.version))


def manifest_item(record: ManifestRecord) -> dict[str, Any]:
    return item(keys.manifest(record.repository_id, record.digest), record)


def manifest_due(digest: str, repository: str, moment: str) -> dict[str, str]:
    return keys.due("manifest", moment, f"{repository}#{digest}")


def tag(table: Table, repository: str, name: str) -> TagRecord | None:
    return read(table, keys.tag(repository, name), TagRecord)


def tag_item(record: TagRecord) -> dict[str, Any]:
    index = {"i1pk": keys.pushed_order(record.repository_id), "i1sk": f"{record.pushed_at}#{record.name}"}
    row = item(keys.tag(record.repository_id, record.name), record, **index)
    if record.acceleration is None:
        del row["acceleration"]
        return row
    return {**row, "acceleration": record.acceleration.model_dump()}


def tag_move(record: TagRecord, before: TagRecord) -> Update:
    """The tag is pushed once more. When it was pulled stays, also what is being written of that meanwhile; how far it
    was converted does not, which is of the push before."""
    kept = {"pk", "sk", "pulled_at", "pulls"}
    change = {name: value for name, value in tag_item(record).items() if name not in kept}
    key = keys.tag(record.repository_id, record.name)
    return Update(key, set=change, remove=("acceleration",), when=as_seen(before))


def tag_mark(tag: TagRecord, mark: Acceleration | None) -> Update:
    """Only of the push that the tag was seen at. None: there is nothing to be told of it any more."""
    key = keys.tag(tag.repository_id, tag.name)
    if mark is None:
        return Update(key, remove=("acceleration",), when=as_seen(tag))
    return Update(key, set={"acceleration": mark.model_dump()}, when=as_seen(tag))


def history_item(record: TagRecord, left: str, how: How = "push") -> dict[str, Any]:
    """`left`: the digest that the tag pointed to before, empty for none."""
    key = keys.history(record.repository_id, record.name, new_id())
    return {
        "pk": key.pk,
        "sk": key.sk,
        "digest": record.digest,
        "previous": left,
        "pushed_at": record.pushed_at,
        "pushed_by": record.pushed_by,
        "how": how,
    }


def hold_item(repository: str, digest: str, kind: str, owner: str, index: str = "") -> dict[str, Any]:
    """`index`: digest of the index that holds, where `owner` is its incarnation."""
    key = keys.hold(repository, digest, kind, owner)
    return {"pk": key.pk, "sk": key.sk, "digest": digest, "kind": kind, "owner": owner, "index": index}


def referrer_item(
    record: ManifestRecord, annotations: Mapping[str, str], annotations_limit_bytes: int
) -> dict[str, Any]:
    key = keys.referrer(record.repository_id, record.subject, record.digest)
    size = sum(len(name.encode()) + len(value.encode()) for name, value in annotations.items())
    return {
        "pk": key.pk,
        "sk": key.sk,
        "digest": record.digest,
        "media_type": record.media_type,
        "size": record.size,
        "artifact_type": record.artifact_type,
        "annotations": dict(annotations) if size <= annotations_limit_bytes else None,
    }


# Blobs


def head(table: Table, instance: str, digest: str) -> HeadRecord | None:
    return read(table, keys.head(instance, digest), HeadRecord)


def edge_item(
    instance: str, digest: str, repository: str, kind: str, owner: str, manifest: str, due: str = ""
) -> dict[str, Any]:
    """`manifest`: digest of the manifest that needs the blob, empty for an upload; `due`: end of an upload's edge."""
    key = keys.edge(instance, digest, repository, kind, owner)
    edge: dict[str, Any] = {
        "pk": key.pk,
        "sk": key.sk,
        "instance_id": instance,
        "repository_id": repository,
        "digest": digest,
        "kind": kind,
        "owner": owner,
        "manifest": manifest,
    }
    if due:
        edge |= {"lease_until": due, **keys.due("lease", due, f"{owner}#{digest}")}
    return edge


def edge_items(
    instance: str, digests: Iterable[str], repository: str, incarnation: str, manifest: str
) -> list[dict[str, Any]]:
    return [edge_item(instance, digest, repository, "MANIFEST", incarnation, manifest) for digest in digests]


def link_item(repository: str, digest: str, lease_until: str) -> dict[str, Any]:
    key = keys.link(repository, digest)
    return {"pk": key.pk, "sk": key.sk, "digest": digest, "state": "L", "token": "", "lease_until": lease_until}


# Pushes, uploads and what is to be cleared away


def intent_item(incarnation: str, instance: str, record: ManifestRecord, moment: str) -> dict[str, Any]:
    key = keys.intent(incarnation)
    return {
        "pk": key.pk,
        "sk": key.sk,
        "state": "OPEN",
        "incarnation": incarnation,
        "instance_id": instance,
        "repository_id": record.repository_id,
        "digest": record.digest,
        "blobs": list(record.held),
        "children": list(record.children),
        **keys.due("intent", moment, incarnation),
    }


def release_item(instance: str, record: ManifestRecord, moment: str) -> dict[str, Any]:
    names = {"digest": record.digest, "blobs": list(record.held), "children": list(record.children)}
    return _release_item(record.incarnation, instance, record.repository_id, moment, names)


def lease_release_item(edge: Item, moment: str) -> dict[str, Any]:
    """What is to be done when an upload's edge is gone: there is no manifest, only the blob."""
    names = {"digest": "", "blobs": [edge["digest"]], "children": []}
    return _release_item(edge["owner"], edge["instance_id"], edge["repository_id"], moment, names)


def _release_item(owner: str, instance: str, repository: str, moment: str, names: dict[str, Any]) -> dict[str, Any]:
    key = keys.release(owner)
    return {
        "pk": key.pk,
        "sk": key.sk,
        "incarnation": owner,
        "instance_id": instance,
        "repository_id": repository,
        **names,
        **keys.due("release", moment, owner),
    }


def upload(table: Table, upload_id: str) -> UploadRecord | None:
    return read(table, keys.upload(upload_id), UploadRecord)


def upload_item(record: UploadRecord, due: str) -> dict[str, Any]:
    index = keys.due("upload", due, record.id) if record.state == "open" else {}
    return item(keys.upload(record.id), record, **index)


def tombstone_item(
    generation: str, bucket: str, key: str, moment: str, *, digest: str, instance: str
) -> dict[str, Any]:
    """`digest`: of the HEAD that died with this generation, empty where no HEAD ever named it."""
    at = keys.tombstone(generation)
    return {
        "pk": at.pk,
        "sk": at.sk,
        "generation": generation,
        "bucket": bucket,
        "object": key,
        "digest": digest,
        "instance_id": instance,
        **keys.due("tombstone", moment, generation),
    }


def bin_key(entry: BinEntry) -> Key:
    if entry.parent:
        return keys.bin_part(entry.instance_id, entry.parent, entry.repository_id)
    return keys.bin_entry(entry.instance_id, entry.id)


def bin_item(entry: BinEntry, *, told: bool) -> dict[str, Any]:
    """told: it is an event (`keys.untold`). A part of a namespace's entry is neither due nor an event by itself."""
    row = item(bin_key(entry), entry)
    del row["i2sk"]
    if entry.parent:
        return row
    untold = keys.untold(entry.deleted_at, entry.id) if told else {}
    return {**row, **keys.due("bin", entry.expires_at, entry.id), **untold}


def early_event_item(entry: BinEntry) -> dict[str, Any]:
    """Of an entry that goes before anybody was told of it."""
    untold = keys.untold(entry.deleted_at, entry.id)
    return {**keys.early_event(untold["i2sk"])._asdict(), **untold, "row": bin_item(entry, told=False)}


def outbox_item(push: Item, moment: str) -> dict[str, Any]:
    """`request_id` of a push is there for the audit record, and empty of those that the management API records itself;
    `origin` then says whose it is."""
    key = keys.outbox(push["incarnation"])
    origin = {} if push["request_id"] else {"origin": request_id()}
    return {"pk": key.pk, "sk": key.sk, **push, **origin, **keys.due("outbox", moment, push["incarnation"])}
