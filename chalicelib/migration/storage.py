"""What the CNCF distribution keeps in a folder or a bucket, read without it.

    docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/current/link              the digest of a tag
    docker/registry/v2/repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link     a manifest of the repository
    docker/registry/v2/blobs/<algorithm>/<first two>/<hex>/data                            bytes, manifests too

Source: distribution, registry/storage/paths.go.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from chalicelib.copying.models import Manifest
from chalicelib.kernel import media
from chalicelib.kernel.errors import BlobUnknown, DigestInvalid, ManifestUnknown, Refused, SizeInvalid, TooLarge
from chalicelib.kernel.names import Digest
from chalicelib.ports.objects import ObjectMissing, Objects
from chalicelib.registry.description import document, mapping, text
from chalicelib.registry.models import StoredBlob

_V2: Final = "docker/registry/v2"
_MANIFEST_BYTES: Final = 4 * 1024 * 1024
_CHUNK_BYTES: Final = 1024 * 1024
_KEY: Final = re.compile(
    r"(?P<name>.+)/_manifests/(?:tags/(?P<tag>[^/]+)/current|revisions/(?P<algorithm>[^/]+)/(?P<hex>[^/]+))/link"
)


class Storage(Protocol):
    """Paths are below `docker/registry/v2`. bucket, prefix: where the store's own copy finds them."""

    bucket: str
    prefix: str

    def links(self) -> Iterator[tuple[str, str, str]]:
        """(repository, tag, digest) of all tags and manifests, those of a repository together; tag "" for a manifest,
        digest "" for a tag."""
        ...

    def chunks(self, path: str) -> Iterator[bytes]:
        """Raises ObjectMissing."""
        ...

    def size(self, path: str) -> int:
        """In bytes. Raises ObjectMissing."""
        ...


class FolderStorage:
    """root: what the registry calls its rootdirectory. bucket: a name under which the store finds the folder."""

    prefix = ""

    def __init__(self, root: Path, bucket: str = "") -> None:
        self._v2 = root / _V2
        self.bucket = bucket

    def links(self) -> Iterator[tuple[str, str, str]]:
        yield from self._below(self._v2 / "repositories", "")

    def _below(self, folder: Path, name: str) -> Iterator[tuple[str, str, str]]:
        for entry in sorted(_folders(folder)):
            if entry == "_manifests":
                yield from self._of(folder / entry, name)
            elif not entry.startswith("_"):
                yield from self._below(folder / entry, f"{name}/{entry}" if name else entry)

    def _of(self, manifests: Path, name: str) -> Iterator[tuple[str, str, str]]:
        yield from ((name, tag, "") for tag in sorted(_folders(manifests / "tags")))
        for algorithm in sorted(_folders(manifests / "revisions")):
            for hexadecimal in sorted(_folders(manifests / "revisions" / algorithm)):
                yield name, "", f"{algorithm}:{hexadecimal}"

    def chunks(self, path: str) -> Iterator[bytes]:
        try:
            with (self._v2 / path).open("rb") as opened:
                while chunk := opened.read(_CHUNK_BYTES):
                    yield chunk
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectMissing(path) from None

    def size(self, path: str) -> int:
        try:
            return (self._v2 / path).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectMissing(path) from None


class BucketStorage:
    """prefix: the rootdirectory in the bucket, with a slash behind it, or ""."""

    def __init__(self, objects: Objects, bucket: str, prefix: str = "") -> None:
        self._objects = objects
        self.bucket = bucket
        self.prefix = prefix

    def links(self) -> Iterator[tuple[str, str, str]]:
        within = f"{self.prefix}{_V2}/repositories/"
        cursor = None
        while True:
            page = self._objects.list(within, cursor=cursor)
            for info in page.items:
                found = _KEY.fullmatch(info.key, len(within))
                if found is not None:
                    digest = f"{found['algorithm']}:{found['hex']}" if found["hex"] else ""
                    yield found["name"], found["tag"] or "", digest
            cursor = page.next
            if cursor is None:
                return

    def chunks(self, path: str) -> Iterator[bytes]:
        with closing(self._objects.get(f"{self.prefix}{_V2}/{path}")) as reading:
            yield from reading.chunks()

    def size(self, path: str) -> int:
        with closing(self._objects.get(f"{self.prefix}{_V2}/{path}", 0, 0)) as reading:
            return reading.size


class StoredRepository:
    """One repository of such a storage, as a source of copies."""

    def __init__(self, storage: Storage, name: str, tags: Sequence[str], revisions: Sequence[str]) -> None:
        self.name = name
        self.revisions = revisions
        self._storage = storage
        self._tags = tags

    def tags(self) -> Iterator[str]:
        return iter(self._tags)

    def manifest(self, reference: str) -> Manifest:
        """Raises ManifestUnknown, DigestInvalid where its bytes are others."""
        digest = Digest.parse(reference) if Digest.fits(reference) else self._tagged(reference)
        try:
            body = self._whole(_data(digest), _MANIFEST_BYTES)
        except ObjectMissing:
            raise ManifestUnknown(reference) from None
        if Digest.of(body, digest.algorithm) != digest:
            raise DigestInvalid(f"what the storage has as {digest} is something else")
        return Manifest(digest, _media_type(body), body)

    def referrers(self, digest: Digest) -> Sequence[Digest]:
        return self._subjects.get(digest, ())

    def read(self, digest: Digest, size: int, start: int = 0) -> Iterator[bytes]:
        """Compared at the end, where it is read from its beginning."""
        hashed, at = hashlib.new(digest.algorithm), 0
        try:
            for chunk in self._storage.chunks(_data(digest)):
                hashed.update(chunk)
                unseen = chunk[max(0, start - at) :]
                at += len(chunk)
                if unseen:
                    yield unseen
        except ObjectMissing:
            raise BlobUnknown(digest) from None
        if at != size:
            raise SizeInvalid(f"{digest} has {at} bytes in the storage, the manifest says {size}")
        if hashed.hexdigest() != digest.hex:
            raise DigestInvalid(f"what the storage has as {digest} is something else")

    def companion(self, tag: str) -> Digest | None:
        """There a tag is a tag."""
        return None

    def verify(self, digest: Digest, size: int, *, trusting: bool) -> None:
        """trusting: by its size alone. Raises BlobUnknown, SizeInvalid, DigestInvalid."""
        if not trusting:
            for _ in self.read(digest, size):
                pass
            return
        try:
            held = self._storage.size(_data(digest))
        except ObjectMissing:
            raise BlobUnknown(digest) from None
        if held != size:
            raise SizeInvalid(f"{digest} has {held} bytes in the storage, the manifest says {size}")

    def stored(self, digest: Digest, size: int) -> StoredBlob:
        """Where the store's own copy finds a blob."""
        return StoredBlob(digest, size, self._storage.bucket, f"{self._storage.prefix}{_V2}/{_data(digest)}")

    def _tagged(self, tag: str) -> Digest:
        path = f"repositories/{self.name}/_manifests/tags/{tag}/current/link"
        try:
            return Digest.parse(self._whole(path, 1024).decode("ascii", "replace").strip())
        except ObjectMissing:
            raise ManifestUnknown(tag) from None

    def _whole(self, path: str, limit: int) -> bytes:
        body = bytearray()
        for chunk in self._storage.chunks(path):
            body += chunk
            if len(body) > limit:
                raise TooLarge("manifest", limit)
        return bytes(body)

    @cached_property
    def _subjects(self) -> dict[Digest, list[Digest]]:
        """Nothing but the manifests themselves says what they are about."""
        found: dict[Digest, list[Digest]] = {}
        for revision in self.revisions:
            with suppress(Refused):
                manifest = self.manifest(revision)
                subject = text(mapping(document(manifest.body).get("subject")).get("digest"))
                if Digest.fits(subject):
                    found.setdefault(Digest(subject), []).append(manifest.digest)
        return found


def repositories(storage: Storage) -> Iterator[StoredRepository]:
    """One after another, as the storage lists them."""
    name, tags, revisions = "", list[str](), list[str]()
    for of, tag, digest in storage.links():
        if of != name and name:
            yield StoredRepository(storage, name, tags, revisions)
            tags, revisions = [], []
        name = of
        if tag:
            tags.append(tag)
        else:
            revisions.append(digest)
    if name:
        yield StoredRepository(storage, name, tags, revisions)


def _data(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}/data"


def _media_type(body: bytes) -> str:
    """As the manifest says itself; one of OCI need not."""
    described = document(body)
    own = text(described.get("mediaType"))
    return own or (media.OCI_INDEX if "manifests" in described else media.OCI_MANIFEST)


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
