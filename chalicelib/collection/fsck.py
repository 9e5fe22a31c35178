"""Proves that what is stored is whole: every tag pullable byte for byte, nothing leaked, counters right.

    lost    something that a client can ask for is not there, or not what its digest says
    leak    bytes or rows that nothing needs and no sweeper knows of
    count   a counter that differs from a recount

Reads only. It walks instance by instance, repository by repository, then the blobs from the object store's own list,
so it costs as much as there is; beside a running service it may report pushes that are under way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.paging import every
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys, paths
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from . import departed, made_by_scans


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` says where: instance, repository, tag, digest or object key."""

    kind: Literal["lost", "leak", "count"]
    subject: str
    message: str


class Fsck:
    """deep: reads every blob and compares it with its digest; otherwise its presence and size are compared."""

    def __init__(self, stack: Stack, *, deep: bool = False) -> None:
        self._stack = stack
        self._table = stack.table
        self._deep = deep

    def run(self) -> Iterator[Finding]:
        """Findings as they are met; none for a whole folder. An instance that is being deleted is in pieces until it
        is gone, which its schedule sees to, and tells nothing."""
        for instance in Instances(self._stack).every():
            if instance.state != "releasing":
                yield from self.look_into(instance)

    def look_into(self, instance: Instance) -> Iterator[Finding]:
        """The same of one instance."""
        return _InstanceCheck(self._stack, instance, self._deep).run()


class _InstanceCheck:
    def __init__(self, stack: Stack, instance: Instance, deep: bool) -> None:
        self._stack = stack
        self._table = stack.table
        self._instance = instance
        self._objects = stack.objects(instance.bucket)
        self._deep = deep
        self._sizes: dict[str, int] = {}
        # Repositories that hold blobs, by what the blobs say.
        self._holders: set[str] = set()

    def run(self) -> Iterator[Finding]:
        yield from self._check_objects()
        for kind, subject, message in made_by_scans.look(self._stack, self._instance):
            yield Finding(kind, subject, message)
        repositories = 0
        for repository in self._repositories():
            repositories += 1
            yield from _RepositoryCheck(self._stack, self._instance, repository, self._sizes).run()
        for repository in departed.binned(self._stack, self._instance.id):
            yield from _RepositoryCheck(self._stack, self._instance, repository, self._sizes).run()
        for repository_id in sorted(self._holders):
            if wrong := departed.astray(self._stack, repository_id):
                yield Finding("leak", repository_id, wrong)
        for name, wrong in departed.unfinished_namespaces(self._stack, self._instance.id):
            yield Finding("leak", f"{self._instance.name}/{name}", wrong)
        yield from self._check_counters(repositories + departed.places_kept(self._stack, self._instance.id))

    # Blobs, from the object store's list

    def _check_objects(self) -> Iterator[Finding]:
        for found in every(lambda cursor: self._objects.list(paths.blobs(self._instance.id), cursor=cursor)):
            yield from self._check_object(found.key, found.size)

    def _check_object(self, key: str, size: int) -> Iterator[Finding]:
        generation = paths.generation_of(key)
        if self._table.get(keys.tombstone(generation)) is not None:
            return
        upload = self._table.get(keys.upload(generation))
        if upload is None:
            yield Finding("leak", key, "no upload and no tombstone knows this object")
            return
        if upload["state"] == "open":
            return
        digest = upload["digest"]
        head = self._table.get(keys.head(self._instance.id, digest))
        if head is None or head["generation"] != generation or head["state"] == "D":
            yield Finding("leak", key, f"{digest} does not live in this generation, and no tombstone will delete it")
            return
        self._sizes[digest] = size
        if head["size"] != size:
            yield Finding("lost", digest, f"has {size} bytes of {head['size']}")
        elif self._deep and self._hash(key, digest) != digest:
            yield Finding("lost", digest, "its bytes are not what its digest says")
        yield from self._check_edges(digest)

    def _hash(self, key: str, digest: str) -> str:
        algorithm = digest.partition(":")[0]
        state = hashlib.new(algorithm)
        reading = self._objects.get(key)
        try:
            for chunk in reading.chunks():
                state.update(chunk)
        finally:
            reading.close()
        return f"{algorithm}:{state.hexdigest()}"

    def _check_edges(self, digest: str) -> Iterator[Finding]:
        edges = 0
        for edge in departed.rows(self._stack, keys.blob_partition(self._instance.id, digest), keys.edge_prefix()):
            edges += 1
            if edge["kind"] == "MANIFEST":
                self._holders.add(edge["repository_id"])
            if edge["kind"] == "MANIFEST" and not self._owner_known(edge):
                yield Finding("leak", digest, f"an edge of manifest {edge['manifest']} that nobody will remove")
        if edges == 0 and not release_pending(self._stack, self._instance.id, digest):
            yield Finding("leak", digest, "lives without an edge")

    def _owner_known(self, edge: Item) -> bool:
        manifest = self._table.get(keys.manifest(edge["repository_id"], edge["manifest"]))
        if manifest is not None and manifest["incarnation"] == edge["owner"]:
            return True
        pending = self._table.get_many([keys.intent(edge["owner"]), keys.release(edge["owner"])])
        return bool(pending)

    # Counters

    def _check_counters(self, repositories: int) -> Iterator[Finding]:
        usage = Instances(self._stack).usage(self._instance)
        recount = {
            "repositories": (usage.repositories.used, repositories),
            "namespaces": (usage.namespaces.used, sum(1 for _ in self._namespaces())),
            "storage": (usage.storage.used, sum(self._sizes.values())),
            "binned": (usage.storage.binned, self._binned_bytes()),
        }
        for name, (counted, actual) in recount.items():
            if counted != actual:
                yield Finding("count", self._instance.id, f"{name}: the counter says {counted}, there are {actual}")

    def _binned_bytes(self) -> int:
        """Entries of before there was a counter are not in it."""
        entries = departed.rows(self._stack, keys.bin_partition(self._instance.id))
        return sum(entry["size"] for entry in entries if entry.get("counted"))

    def _repositories(self) -> Iterator[Repository]:
        rooms = Repositories(self._stack)
        return every(lambda cursor: rooms.list(self._instance.id, cursor=cursor))

    def _namespaces(self) -> Iterator[Item]:
        """Those too that are being deleted: they take their place in the quota until their repositories are gone."""
        prefix = keys.namespace(self._instance.id, "").sk
        return departed.rows(self._stack, keys.instance_partition(self._instance.id), prefix)


class _RepositoryCheck:
    def __init__(self, stack: Stack, instance: Instance, repository: Repository, sizes: dict[str, int]) -> None:
        self._stack = stack
        self._table = stack.table
        self._instance = instance
        self._repository = repository
        self._sizes = sizes
        self._sparse = self._allows_sparse(repository.name.namespace)

    def run(self) -> Iterator[Finding]:
        for manifest in self._rows("MANIFEST#"):
            yield from self._check_manifest(manifest)
        for tag in self._rows("TAG#"):
            yield from self._check_tag(tag)
        for hold in self._rows("HOLD#"):
            yield from self._check_hold(hold)
        for link in self._rows("LINK#"):
            yield from self._check_link(link)
        for referrer in self._rows("REFERRER#"):
            if self._manifest(referrer["digest"]) is None:
                yield Finding("leak", self._where(referrer["digest"]), "is listed as a referrer but does not exist")

    def _allows_sparse(self, namespace: str) -> bool:
        """Of a repository that was deleted the namespace may be gone, and another may have its name: then nobody knows
        any more what it allowed."""
        try:
            found = Namespaces(self._stack).get(self._instance.id, namespace, fresh=True)
        except NotFound:
            return True
        return found.allow_sparse_indexes or found.id != self._repository.namespace_id

    def _rows(self, prefix: str) -> Iterator[Item]:
        return departed.rows(self._stack, keys.repository_partition(self._repository.id), prefix)

    def _where(self, what: str) -> str:
        return f"{self._instance.name}/{self._repository.name}@{what}"

    def _manifest(self, digest: str) -> Item | None:
        return self._table.get(keys.manifest(self._repository.id, digest))

    def _check_manifest(self, manifest: Item) -> Iterator[Finding]:
        where = self._where(manifest["digest"])
        body = manifest["body"]
        algorithm = manifest["digest"].partition(":")[0]
        if body is not None and f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}" != manifest["digest"]:
            yield Finding("lost", where, "its body is not what its digest says")
        for blob in manifest["blobs"]:
            yield from self._check_blob(manifest, blob, where)
        for child in manifest["children"] if not self._sparse else ():
            yield from self._check_child(manifest, child, where)
        held = self._table.query(
            keys.repository_partition(self._repository.id), prefix=keys.hold_prefix(manifest["digest"]), limit=1
        )
        if not held.items and manifest["mortal"] and "i1sk" not in manifest:
            yield Finding("leak", where, "nothing holds it and no sweeper will look at it")

    def _check_blob(self, manifest: Item, blob: str, where: str) -> Iterator[Finding]:
        if blob not in self._sizes:
            yield Finding("lost", where, f"its blob {blob} is gone")
            return
        edge = keys.edge(self._instance.id, blob, self._repository.id, "MANIFEST", manifest["incarnation"])
        if self._table.get(edge) is None:
            yield Finding("lost", where, f"it has no edge on {blob}, which may be collected")
        if manifest["state"] == "live" and self._table.get(keys.link(self._repository.id, blob)) is None:
            yield Finding("lost", where, f"the repository cannot read {blob}")

    def _check_child(self, index: Item, child: str, where: str) -> Iterator[Finding]:
        if self._manifest(child) is None:
            yield Finding("lost", where, f"its child {child} is gone")
        elif self._table.get(keys.hold(self._repository.id, child, "INDEX", index["incarnation"])) is None:
            yield Finding("lost", where, f"it does not hold its child {child}, which may go")

    def _check_link(self, link: Item) -> Iterator[Finding]:
        partition = keys.blob_partition(self._instance.id, link["digest"])
        edges = self._table.query(partition, prefix=keys.edge_prefix(self._repository.id), limit=1)
        if not edges.items and not release_pending(self._stack, self._instance.id, link["digest"]):
            yield Finding("leak", self._where(link["digest"]), "can be read here though nothing here needs it")

    def _check_tag(self, tag: Item) -> Iterator[Finding]:
        where = self._where(tag["name"])
        manifest = self._manifest(tag["digest"])
        if manifest is None or manifest["state"] != "live":
            yield Finding("lost", where, f"points to {tag['digest']}, which is gone")
        if self._table.get(keys.hold(self._repository.id, tag["digest"], "TAG", tag["name"])) is None:
            yield Finding("lost", where, f"does not hold {tag['digest']}, which may go")

    def _check_hold(self, hold: Item) -> Iterator[Finding]:
        owner, digest = hold["owner"], hold["digest"]
        if hold["kind"] == "TAG":
            tag = self._table.get(keys.tag(self._repository.id, owner))
            known = tag is not None and tag["digest"] == digest
        elif hold["kind"] == "BIN":
            known = self._table.get(keys.bin_entry(self._instance.id, owner)) is not None
        else:
            known = self._index_known(owner)
        if not known:
            yield Finding("leak", self._where(digest), f"is held by {hold['kind'].lower()} {owner}, which is gone")

    def _index_known(self, incarnation: str) -> bool:
        if self._table.get_many([keys.intent(incarnation), keys.release(incarnation)]):
            return True
        return incarnation in self._incarnations

    @cached_property
    def _incarnations(self) -> set[str]:
        return {row["incarnation"] for row in self._rows("MANIFEST#")}


def release_pending(stack: Stack, instance: str, digest: str) -> bool:
    """Whether work that is under way, and noted as due, is going to look at the digest once more."""
    for kind in ("release", "intent"):
        for partition in keys.due_partitions(kind):
            for row in departed.rows(stack, partition, index="i1"):
                if row["instance_id"] == instance and digest in row["blobs"]:
                    return True
    return False
