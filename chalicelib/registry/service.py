"""The door of the room: pull, push, list and delete content, each by name, each authorised here (`rights.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import (
    BlobUnknown,
    Denied,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestUnknown,
    NotFound,
    Unauthenticated,
)
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.objects import Reading
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Item
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from . import rules, store
from .annotation import Annotations
from .arriving import Arriving, refuse_successor
from .blobs import Blobs
from .bodies import Bodies
from .manifests import Asked, Manifests, Push, new_manifest
from .models import Acceleration, Caller, How, Pulled, Pushed, Referrer, StoredBlob, TagRecord, UploadRecord
from .pull_gate import PullGate
from .retirement import Deletion, Retirement
from .rights import Rights
from .upkeep import KINDS, Upkeep
from .uploads import Uploads, Writer

__all__ = ["KINDS", "Registry", "Upkeep", "UploadWriter"]

# A mount that names no source looks into this many repositories that hold the blob.
MOUNT_SOURCES: Final = 20


class Registry:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._instances = Instances(stack)
        self._repositories = Repositories(stack)
        self._rights = Rights(stack)
        self._annotations = Annotations(stack)
        self._arriving = Arriving(stack)
        self._blobs = Blobs(stack)
        self._bodies = Bodies(stack)
        self._gate = PullGate(stack)
        self._manifests = Manifests(stack)
        self._retirement = Retirement(stack)
        self._uploads = Uploads(stack)

    # Pulling

    def pull(self, caller: Caller, name: RepositoryName, reference: TagName | Digest, *, judged: bool = True) -> Pulled:
        """judged: by the pull policy; False for a pusher who asks whether it is here.

        Raises ManifestUnknown, PullBlocked and what `Rights.readable` raises.
        """
        repository = self._rights.readable(caller, name)
        digest: str = reference
        if not isinstance(reference, Digest):
            tag = self._table.get(keys.tag(repository.id, reference))
            if tag is None:
                raise ManifestUnknown(reference)
            digest = tag["digest"]
        pulled = self._remembered_manifest(caller, repository, digest, reference)
        if repository.upstream:
            pulled = replace(pulled, upstream=True)
        policy = self._gate.policy(repository) if judged else None
        if policy is None:
            return pulled
        self._gate.require_manifest(policy, repository, pulled)
        return replace(pulled, judged=True)

    def _remembered_manifest(self, caller: Caller, repository: Repository, digest: str, reference: str) -> Pulled:
        key = ("manifest", repository.id, digest)
        pulled = self._stack.memory.get(key, lambda: self._load_manifest(repository, digest, reference))
        # A large body is not remembered here, where nobody counts bytes.
        return pulled if pulled.body else replace(pulled, body=self._bodies.large(caller.instance.id, pulled.digest))

    def _load_manifest(self, repository: Repository, digest: str, reference: str) -> Pulled:
        """Without its body where that is large."""
        record = store.manifest(self._table, repository.id, digest)
        if record is None or record.state != "live":
            raise ManifestUnknown(reference)
        return Pulled(repository.id, record.digest, record.media_type, record.body or b"")

    def tags(self, caller: Caller, name: RepositoryName, after: str = "", limit: int = 1000) -> Page[str]:
        """Tag names in byte order. `next` is the last name of the page where there are more."""
        repository = self._rights.readable(caller, name)
        if limit == 0:
            return Page(())
        page = self._table.query(
            keys.repository_partition(repository.id),
            prefix=keys.tag("", "").sk,
            after=keys.tag("", after).sk if after else None,
            limit=limit,
        )
        names = tuple(item["name"] for item in page.items)
        return Page(names, names[-1] if page.next is not None and names else None)

    def tag(self, repository: Repository, name: TagName) -> TagRecord:
        """Raises NotFound."""
        found = store.tag(self._table, repository.id, name)
        if found is None:
            raise NotFound("there is no such tag")
        return found

    def referrers(
        self, caller: Caller, name: RepositoryName, digest: Digest, artifact_type: str = "", cursor: str | None = None
    ) -> Page[Referrer]:
        """Manifests whose subject is `digest`, one query a page; empty where the repository may not be read."""
        try:
            repository = self._rights.readable(caller, name)
        except NotFound:
            return Page(())  # The specification never answers 404 here; nobody learns more from this than from one.
        page = self._table.query(
            keys.repository_partition(repository.id), prefix=keys.referrer_prefix(digest), cursor=cursor
        )
        wanted = [item for item in page.items if not artifact_type or item["artifact_type"] == artifact_type]
        return Page(tuple(self._referrer(caller, repository, item) for item in wanted), page.next)

    def _referrer(self, caller: Caller, repository: Repository, item: Item) -> Referrer:
        annotations = item["annotations"]
        if annotations is None:
            body = self._remembered_manifest(caller, repository, item["digest"], item["digest"]).body
            annotations = strict_json.parse(body, "manifest").get("annotations") or {}
        return Referrer(item["media_type"], item["digest"], item["size"], item["artifact_type"], annotations)

    def blob(self, caller: Caller, name: RepositoryName, digest: Digest, *, judged: bool = True) -> StoredBlob:
        """judged: as of `pull`. Raises BlobUnknown, PullBlocked and what `Rights.readable` raises."""
        repository = self._rights.readable(caller, name)
        blob = self._stack.memory.know(self._blobs.knowledge(caller.instance.id, repository.id, digest))
        policy = self._gate.policy(repository) if judged else None
        if policy is None:
            return blob
        self._gate.require_blob(policy, repository, digest)
        return replace(blob, judged=True)

    def read_blob(self, blob: StoredBlob, start: int = 0, end: int | None = None) -> Reading:
        """Bytes start..end (end exclusive). Raises ports.objects.ObjectMissing where the bytes went meanwhile."""
        return self._stack.objects(blob.bucket).get(blob.key, start, end)

    def presign_blob(self, blob: StoredBlob, expires_s: int) -> str | None:
        media_type = "application/octet-stream"
        return self._stack.objects(blob.bucket).presign(blob.key, expires_s=expires_s, media_type=media_type)

    # Pushing

    def push(
        self,
        caller: Caller,
        name: RepositoryName,
        reference: TagName | Digest,
        tags: Sequence[TagName],
        body: bytes,
        content_type: str,
        how: How = "push",
        beside: TagRecord | None = None,
        at: str | None = None,
    ) -> Pushed:
        """how: what the tags' history says of it. beside: the original of a companion, as it was converted: by the same
        transaction it is marked as such, if it still is where that push put it. at: the push that the tags have to be
        where they were put by, "" for none that stands; by the same transaction; None: wherever they are.

        Raises ManifestInvalid, ManifestBlobUnknown, DigestInvalid, QuotaExceeded, TagImmutable, TagReserved, TagMoved,
        what `Rights.writable` raises; for a companion OriginalMoved, CompanionNameTaken.
        """
        repository = self._rights.writable(caller, name)
        parsed = rules.parse_manifest(body, content_type)
        digest = Digest.of(body, reference.algorithm if isinstance(reference, Digest) else "sha256")
        if isinstance(reference, Digest) and digest != reference:
            raise DigestInvalid(f"the body is not {reference} but {digest}", digest=digest)
        wanted = tuple(dict.fromkeys([reference, *tags] if isinstance(reference, TagName) else tags))
        if repository is None:
            self._refuse_first_push(caller, name, parsed)
            repository = self._rights.home(caller, name)
        asked = Asked(how, beside, at)
        try:
            self._put_manifest(caller, repository, digest, parsed, body, wanted, asked, sparse=False)
        except ManifestBlobUnknown:
            if not self._rights.sparse(caller, name):
                raise
            loosened = rules.loosened(parsed)
            self._put_manifest(caller, repository, digest, loosened, body, wanted, asked, sparse=True)
        return Pushed(digest, parsed.subject, wanted)

    def _refuse_first_push(self, caller: Caller, name: RepositoryName, parsed: rules.Parsed) -> None:
        """A repository is not made for a manifest that cannot be whole: nothing it needs can be in it yet."""
        self._rights.refuse_unmakeable(caller, name)
        needed = [*parsed.blobs, *parsed.children]
        if needed and not self._rights.sparse(caller, name):
            raise ManifestBlobUnknown(needed[0])

    def _put_manifest(
        self,
        caller: Caller,
        repository: Repository,
        digest: Digest,
        parsed: rules.Parsed,
        body: bytes,
        tags: tuple[TagName, ...],
        asked: Asked,
        *,
        sparse: bool,
    ) -> None:
        moment = self._stack.clock.now()
        record = new_manifest(repository.id, digest, parsed, body, tags, caller.principal.name, moment)
        if record.body is None:
            self._store_body(caller, repository, digest, body)
        if asked.beside is not None:
            mark = Acceleration(state="succeeded", digest=digest, size=self._annotations.size_of(record))
            asked = replace(asked, beside=asked.beside.model_copy(update={"acceleration": mark}))
        self._manifests.push(Push(caller, repository, sparse, parsed, record, tags, moment, asked))

    def _store_body(self, caller: Caller, repository: Repository, digest: Digest, body: bytes) -> None:
        """A large body is a blob like any other: same edges, same collection, same quota."""
        name = repository.name
        upload = self._uploads.start(caller.instance, name, caller.owner, digest.algorithm, repository.id)
        writer = self._uploads.write(upload, 0)
        try:
            writer.append(body)
            self._finish(caller, name, writer, digest)
        finally:
            writer.close()

    def _finish(self, caller: Caller, name: RepositoryName, writer: Writer, digest: Digest) -> StoredBlob:
        return self._arriving.settle(caller, name, writer.complete(digest))

    def start_upload(self, caller: Caller, name: RepositoryName, algorithm: str = "sha256") -> UploadRecord:
        """Nothing is made for it but the session: the repository comes with the first content that is acknowledged."""
        repository = self._rights.writable(caller, name)
        if repository is None:
            self._rights.refuse_unmakeable(caller, name)
        self._instances.require_room(caller.instance)
        repository_id = repository.id if repository else ""
        return self._uploads.start(caller.instance, name, caller.owner, algorithm, repository_id)

    def upload(self, caller: Caller, name: RepositoryName, upload_id: str) -> UploadRecord:
        """Raises UploadUnknown and what `Rights.writable` raises."""
        repository = self._rights.writable(caller, name)
        upload = self._uploads.find(caller.instance, name, caller.owner, upload_id)
        refuse_successor(upload, repository)
        return upload

    def cancel_upload(self, caller: Caller, name: RepositoryName, upload_id: str) -> None:
        self._uploads.cancel(self.upload(caller, name, upload_id))

    def resume(self, caller: Caller, name: RepositoryName, upload_id: str, offset: int | None) -> UploadWriter:
        """A writer into the session. Raises UploadUnknown, RangeInvalid, Conflict while another request writes."""
        upload = self.upload(caller, name, upload_id)
        writer = self._uploads.write(upload, offset)
        return UploadWriter(writer, lambda digest: self._finish(caller, name, writer, digest))

    def mount(self, caller: Caller, name: RepositoryName, digest: Digest, source: RepositoryName | None) -> bool:
        """Whether the blob now belongs to the repository too, without having moved. False: upload it."""
        standing = self._rights.writable(caller, name)
        if not self._mountable(caller, digest, source):
            return False
        if standing is None:
            self._rights.refuse_unmakeable(caller, name)
        repository = self._rights.home(caller, name)
        try:
            self._blobs.lease(caller.instance.id, repository.id, digest, self._stack.clock.now())
        except BlobUnknown:
            return False
        return True

    def _mountable(self, caller: Caller, digest: Digest, source: RepositoryName | None) -> bool:
        """Whether the caller may pull the blob from the source, or without one from anywhere. A digest grants nothing.

        Raises Unauthenticated where only the token stands in the way: its holder may fetch one that reaches further.
        """
        beyond_token = ""
        for candidate in [source] if source else self._holders(caller, digest):
            if self._reads(caller, candidate, digest):
                return True
            if self._reads(replace(caller, principal=replace(caller.principal, grants=None)), candidate, digest):
                beyond_token = candidate
        if beyond_token:
            raise Unauthenticated(pull_from=beyond_token)
        return False

    def _reads(self, caller: Caller, name: RepositoryName, digest: Digest) -> bool:
        try:
            self.blob(caller, name, digest)
        except (NotFound, Unauthenticated, Denied):
            return False
        return True

    def _holders(self, caller: Caller, digest: Digest) -> list[RepositoryName]:
        page = self._table.query(
            keys.blob_partition(caller.instance.id, digest), prefix=keys.edge_prefix(), limit=MOUNT_SOURCES
        )
        holders = self._repositories.of_ids(caller.instance.id, [edge["repository_id"] for edge in page.items])
        self._stack.memory.foresee(self._blobs.knowledge(caller.instance.id, held.id, digest) for held in holders)
        return [held.name for held in holders]

    def take(self, caller: Caller, name: RepositoryName, digest: Digest, source: StoredBlob) -> StoredBlob:
        """A blob of the same store, moving no bytes through this process: linked where the caller's instance has it,
        else copied by the store itself, into a generation of its own. Whoever asks has the right to the source.

        Raises BlobUnknown where its bytes went meanwhile, QuotaExceeded and what `Rights.writable` raises.
        """
        return self._arriving.take(caller, name, digest, source)

    def renew(self, caller: Caller, name: RepositoryName, digest: Digest) -> None:
        """A pusher was told that a blob is here: it stays a day for the manifest to come. Raises BlobUnknown."""
        repository = self._rights.renewable(caller, name)
        if repository is None:
            raise BlobUnknown(digest)
        self._blobs.renew(caller.instance.id, repository.id, digest, self._stack.clock.now())

    def mark_tag(self, tag: TagRecord, mark: Acceleration | None) -> bool:
        """Notes how far the conversion of what the tag points to has come. False: it was pushed or deleted meanwhile,
        and nothing is noted."""
        try:
            self._table.update(store.tag_mark(tag, mark))
        except ConditionFailed:
            return False
        return True

    # Deleting

    def delete(self, caller: Caller, name: RepositoryName, reference: TagName | Digest) -> None:
        """A tag, or a manifest with its tags, goes into the recycle bin. Raises ManifestUnknown, InUse."""
        repository = self._rights.deletable(caller, name)
        deletion = Deletion(caller.instance, repository, caller.principal.name)
        if isinstance(reference, Digest):
            self._retirement.delete_manifest(deletion, reference, sparse=self._rights.sparse(caller, name))
        else:
            self._retirement.delete_tag(deletion, reference)

    def retire_companion(self, instance: Instance, repository: Repository, original: TagName) -> bool:
        """As `Retirement` has it."""
        return self._retirement.retire_companion(instance, repository, original)

    def delete_blob(self, caller: Caller, name: RepositoryName, digest: Digest) -> None:
        """Raises BlobUnknown, InUse while a live manifest of the repository needs it."""
        repository = self._rights.deletable(caller, name)
        self._blobs.delete(caller.instance.id, repository.id, digest)


class UploadWriter:
    """One request's bytes on their way into an upload. Blocking; one call at a time; always `close` it."""

    piece_bytes: Final = Writer.piece_bytes

    def __init__(self, writer: Writer, finish: Callable[[Digest], StoredBlob]) -> None:
        self._writer = writer
        self._finish = finish

    @property
    def record(self) -> UploadRecord:
        return self._writer.record

    def append(self, data: bytes | bytearray | memoryview) -> None:
        self._writer.append(data)

    def keep(self) -> UploadRecord:
        """The end of a request, also of one that was cut off: what arrived is kept, durably."""
        return self._writer.keep()

    def finish(self, digest: Digest) -> StoredBlob:
        """Verified, live and linked. Raises DigestInvalid, after which the session is gone, and QuotaExceeded."""
        return self._finish(digest)

    def close(self) -> None:
        """Lets the next request write. Harmless twice."""
        self._writer.close()
