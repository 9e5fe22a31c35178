"""A repository of this service as an end of copies, reached without HTTP, in the name of whoever is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

from chalicelib.kernel.errors import (
    BlobUnknown,
    Conflict,
    DigestInvalid,
    NotFound,
    SizeInvalid,
    TagReserved,
    UploadUnknown,
)
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.ports import keys
from chalicelib.ports.objects import ObjectMissing
from chalicelib.ports.stack import Stack
from chalicelib.registry.companions import BY, companions_of, is_companion, names, shown
from chalicelib.registry.manifests import TagMoved
from chalicelib.registry.models import Caller, How, ManifestRecord, StoredBlob, TagRecord
from chalicelib.registry.service import Registry, UploadWriter
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from .ends import Pieces, Source
from .gathering import MOST_MANIFESTS
from .models import Manifest, Standing, Upload

# Between two questions whether there is time: from slow sources this takes minutes, and a step has no more of them.
PIECE_BYTES: Final = 256 * 1024


class LocalRepository:
    """
    how   that the history of its tags says of what is pushed here
    """

    def __init__(self, stack: Stack, caller: Caller, name: RepositoryName, *, how: How = "sync") -> None:
        self.name = name
        self._stack = stack
        self._caller = caller
        self._how = how
        self._registry = Registry(stack)

    # As a source

    def tags(self) -> Iterator[str]:
        """Those that are somebody's: companions go with their originals."""
        after = ""
        while True:
            page = self._registry.tags(self._caller, self.name, after)
            repository = self._repository()
            if repository is not None and page.items:
                like_companions = [name for name in page.items if TagName(name).original != name]
                rows = self._tag_rows(repository, like_companions)
                own = {name for name in like_companions if name in rows and is_companion(rows[name])}
                yield from (name for name in page.items if name not in own)
            if page.next is None:
                return
            after = page.next

    def manifest(self, reference: str) -> Manifest:
        """Raises PullBlocked where the pull policy keeps it back."""
        wanted = Digest(reference) if Digest.fits(reference) else TagName.parse(reference)
        pulled = self._registry.pull(self._caller, self.name, wanted)
        return Manifest(pulled.digest, pulled.media_type, pulled.body)

    def referrers(self, digest: Digest) -> Sequence[Digest]:
        found: list[Digest] = []
        cursor = None
        while True:
            page = self._registry.referrers(self._caller, self.name, digest, cursor=cursor)
            found += [Digest(one.digest) for one in page.items]
            cursor = page.next
            if cursor is None or len(found) > MOST_MANIFESTS:
                return found

    def read(self, digest: Digest, size: int, start: int = 0) -> Iterator[bytes]:
        """What the store gives under a digest was verified as it came."""
        blob = self.blob(digest)
        if blob.size != size:
            raise SizeInvalid(f"{digest} has {blob.size} bytes, the manifest says {size}")
        try:
            with closing(self._registry.read_blob(blob, start)) as reading:
                yield from reading.chunks()
        except ObjectMissing:
            raise BlobUnknown(digest) from None

    def companion(self, tag: str) -> Digest | None:
        repository = self._repository()
        if repository is None or not TagName.fits(tag):
            return None
        original = self._tag_rows(repository, [tag]).get(tag)
        if original is None:
            return None
        beside = companions_of(self._stack.table, repository.id, [original]).get(original.name)
        return beside.digest if beside is not None and names(original, beside.digest) else None

    def blob(self, digest: Digest) -> StoredBlob:
        """Where its bytes are. The manifests that name it were judged; it is not judged again. Raises BlobUnknown."""
        return self._registry.blob(self._caller, self.name, digest, judged=False)

    # As a target

    def standing(self, tag: str) -> Standing | None:
        record = self._tag(tag)
        return None if record is None else Standing(record.digest, record.push)

    def holds(self, digest: Digest) -> bool:
        repository = self._repository()
        row = self._stack.table.get(keys.manifest(repository.id, digest)) if repository is not None else None
        return row is not None and ManifestRecord.model_validate(row).state == "live"

    def has(self, digest: Digest) -> bool:
        try:
            self._registry.renew(self._caller, self.name, digest)
        except BlobUnknown:
            return False
        return True

    def take(self, source: Source, digest: Digest, size: int) -> bool:
        """Linked where the instance has it already, whoever brought it, else copied by the store."""
        if not isinstance(source, LocalRepository):
            return False
        blob = source.blob(digest)
        if blob.size != size:
            raise SizeInvalid(f"{digest} has {blob.size} bytes, the manifest says {size}")
        self._registry.take(self._caller, self.name, digest, blob)
        return True

    def upload(self, digest: Digest, size: int, source: Source, before: Upload | None, pieces: Pieces) -> Upload | None:
        writer = self._writer(digest, before)
        try:
            try:
                whole = self._pour(writer, source.read(digest, size, writer.record.offset), pieces)
            except (DigestInvalid, SizeInvalid):
                self._registry.cancel_upload(self._caller, self.name, writer.record.id)
                raise
            except BaseException:
                pieces.stands(_kept(writer))
                raise
            if whole:
                writer.finish(digest)
            return None if whole else _kept(writer)
        finally:
            writer.close()

    def push(self, manifest: Manifest, tag: str, at: Standing | None, *, override: bool) -> bool:
        tags = [TagName.parse(tag)] if tag else []
        condition = None if not tag else (at.mark if at is not None else "")
        try:
            self._registry.push(
                self._caller,
                self.name,
                manifest.digest,
                tags,
                manifest.body,
                manifest.media_type,
                self._how,
                at=condition,
            )
        except TagMoved:
            return False
        return True

    def wants(self, companion: Digest, tag: str, original: Digest) -> bool:
        beside, standing = self._with_companion(tag)
        return beside is not None and beside.digest == original and standing is None

    def accelerate(self, companion: Manifest, tag: str, original: Digest) -> bool:
        """As a conversion would have: by one transaction with the original's mark."""
        beside, standing = self._with_companion(tag)
        if beside is None or beside.digest != original or standing is not None:
            return False
        converter = replace(self._caller, principal=replace(self._caller.principal, name=BY))
        body, media_type, under = companion.body, companion.media_type, [beside.name.accelerated]
        try:
            self._registry.push(
                converter, self.name, companion.digest, under, body, media_type, "conversion", beside=beside
            )
        except (Conflict, TagReserved):
            return False
        return True

    # Rows

    def _repository(self) -> Repository | None:
        try:
            return Repositories(self._stack).get(self._caller.instance.id, self.name, fresh=True)
        except NotFound:
            return None

    def _tag(self, tag: str) -> TagRecord | None:
        repository = self._repository()
        return None if repository is None else self._tag_rows(repository, [tag]).get(tag)

    def _tag_rows(self, repository: Repository, tags: Sequence[str]) -> dict[str, TagRecord]:
        found = self._stack.table.get_many([keys.tag(repository.id, name) for name in tags]) if tags else {}
        return {row["name"]: TagRecord.model_validate(row) for row in found.values()}

    def _with_companion(self, tag: str) -> tuple[TagRecord | None, TagRecord | None]:
        """The tag, and the companion that its mark speaks of."""
        record = self._tag(tag)
        if record is None:
            return None, None
        beside = companions_of(self._stack.table, record.repository_id, [record]).get(record.name)
        mark = shown(record.acceleration, beside)
        return record, beside if mark is not None and mark.state == "succeeded" else None

    # Uploads

    def _writer(self, digest: Digest, before: Upload | None) -> UploadWriter:
        if before is not None:
            try:
                return self._registry.resume(self._caller, self.name, before.location, None)
            except (UploadUnknown, Conflict):
                pass  # It was given up, and what was sent of it is gone; or a step that stood still goes on with it.
        upload = self._registry.start_upload(self._caller, self.name, digest.algorithm)
        return self._registry.resume(self._caller, self.name, upload.id, 0)

    def _pour(self, writer: UploadWriter, chunks: Iterator[bytes], pieces: Pieces) -> bool:
        """Whether all of it came."""
        piece = 0
        for chunk in chunks:
            if piece >= PIECE_BYTES:
                piece = 0
                if not pieces.go_on():
                    return False
            writer.append(chunk)
            piece += len(chunk)
            pieces.moved(len(chunk))
        return True


def _kept(writer: UploadWriter) -> Upload:
    kept = writer.keep()
    return Upload(location=kept.id, offset=kept.offset)
