"""Blobs that are whole and verified, on their way into a repository: the end of an upload, or the store's own copy."""

from __future__ import annotations

from contextlib import suppress

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import BlobUnknown, QuotaExceeded, RepositoryMissing, UploadUnknown
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.ports import keys, paths
from chalicelib.ports.objects import ObjectMissing
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository

from .blobs import Blobs
from .models import Caller, StoredBlob, UploadRecord
from .rights import Rights
from .uploads import Uploads


class Arriving:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)
        self._rights = Rights(stack)
        self._blobs = Blobs(stack)
        self._uploads = Uploads(stack)

    def settle(self, caller: Caller, name: RepositoryName, finished: UploadRecord) -> StoredBlob:
        """finished: its object stands, verified. Raises QuotaExceeded, RepositoryMissing, UploadUnknown, after which
        nothing of it stays."""
        key = paths.blob(caller.instance.id, finished.id)
        try:
            # The repository comes last: what is refused before it leaves none behind.
            self._instances.require_room(caller.instance, finished.offset)
            repository = self._rights.home(caller, name)
            refuse_successor(finished, repository)
            return self._blobs.adopt(caller.instance, repository.id, finished, key, self._stack.clock.now())
        except (QuotaExceeded, RepositoryMissing, UploadUnknown):
            self._uploads.discard(finished)
            raise

    def take(self, caller: Caller, name: RepositoryName, digest: Digest, source: StoredBlob) -> StoredBlob:
        """As `Registry.take` has it. The session's row comes first, so that what a crash leaves of the copy is found
        and freed like any upload that was given up."""
        repository = self._rights.writable(caller, name)
        if repository is None:
            self._rights.refuse_unmakeable(caller, name)
        here = self._linked(caller, name, digest)
        if here is not None:
            return here
        self._instances.require_room(caller.instance, source.size)
        repository_id = repository.id if repository else ""
        upload = self._uploads.start(caller.instance, name, caller.owner, digest.algorithm, repository_id)
        try:
            key = paths.blob(caller.instance.id, upload.id)
            self._stack.objects(caller.instance.bucket).copy(source.bucket, source.key, key)
        except ObjectMissing:
            with suppress(UploadUnknown):
                self._uploads.cancel(upload)
            raise BlobUnknown(digest) from None
        change = {"state": "finished", "digest": digest, "offset": source.size, "version": upload.version + 1}
        return self.settle(caller, name, upload.model_copy(update=change))

    def _linked(self, caller: Caller, name: RepositoryName, digest: Digest) -> StoredBlob | None:
        """What the instance holds already is linked; None where it does not."""
        head = self._stack.table.get(keys.head(caller.instance.id, digest))
        if head is None or head["state"] == "D":
            return None
        repository = self._rights.home(caller, name)
        try:
            held = self._blobs.lease(caller.instance.id, repository.id, digest, self._stack.clock.now())
        except BlobUnknown:
            return None
        return StoredBlob(digest, held.size, held.bucket, held.key)


def refuse_successor(upload: UploadRecord, repository: Repository | None) -> None:
    """What was begun for a repository that was deleted does not go into another of its name. Raises UploadUnknown."""
    if upload.repository_id and (repository is None or repository.id != upload.repository_id):
        raise UploadUnknown(upload.id)
