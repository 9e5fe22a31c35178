"""A repository of any registry, reached over HTTP, as an end of copies."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from chalicelib.kernel.errors import Conflict, Invalid, NotFound, RangeInvalid, Unavailable, UploadUnknown
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.registry.companions import SOURCE
from chalicelib.registry.description import document, labels, text

from .ends import Pieces, Source
from .listing import list_referrer
from .models import Manifest, Standing, Upload

# Sent by one request; what is larger is sent in pieces, and goes on where it broke off.
PIECE_BYTES: Final = 256 * 1024 * 1024
# The first, before it is known how fast the way there is: later ones take as long as this, or are as small.
FIRST_PIECE_BYTES: Final = 8 * 1024 * 1024
LEAST_PIECE_BYTES: Final = 256 * 1024
PIECE_S: Final = 8.0


class RemoteRepository:
    """
    synchronised  what is pushed is told to be a copy, from which a service like this one makes no others
    piece_bytes   sent by one request at most, and between two questions whether there is time; PIECE_BYTES if 0
    """

    def __init__(self, registry: RemoteRegistry, name: str, *, synchronised: bool = True, piece_bytes: int = 0) -> None:
        self.registry = registry
        self.name = name
        self._synchronised = synchronised
        self._most_bytes = piece_bytes or PIECE_BYTES
        self._piece_bytes = min(FIRST_PIECE_BYTES, self._most_bytes)

    # As a source

    def tags(self) -> Iterator[str]:
        return self.registry.tags(self.name)

    def manifest(self, reference: str) -> Manifest:
        """What it says of itself counts more than what the registry calls it."""
        pulled = self.registry.pull(self.name, reference)
        own = text(document(pulled.body).get("mediaType"))
        return Manifest(pulled.digest, own or pulled.media_type, pulled.body)

    def referrers(self, digest: Digest) -> Sequence[Digest]:
        return self.registry.referrers(self.name, digest)

    def read(self, digest: Digest, size: int, start: int = 0) -> Iterator[bytes]:
        if not start:
            return self.registry.read_blob(self.name, digest, size)
        return self.registry.blob_pieces(self.name, digest, start)

    def companion(self, tag: str) -> Digest | None:
        """There a tag is a tag."""
        return None

    # As a target

    def standing(self, tag: str) -> Standing | None:
        try:
            return Standing(self.registry.head(self.name, tag).digest)
        except NotFound:
            return None

    def holds(self, digest: Digest) -> bool:
        return self.standing(digest) is not None

    def has(self, digest: Digest) -> bool:
        return self.registry.has_blob(self.name, digest)

    def take(self, source: Source, digest: Digest, size: int) -> bool:
        """Mounted, from another repository of the same registry."""
        if not isinstance(source, RemoteRepository) or source.registry.host != self.registry.host:
            return False
        return self.registry.mount(self.name, digest, source.name)

    def upload(self, digest: Digest, size: int, source: Source, before: Upload | None, pieces: Pieces) -> Upload | None:
        at = self._resumed(before)
        if at is None and size <= self._piece_bytes:
            chunks = source.read(digest, size)
            self.registry.put_blob(self.name, digest, _told(chunks, pieces), size)
            # Where all of it was sent before the source could say that it was another, the target says so.
            return None
        at = at or Upload(location=self.registry.begin_upload(self.name), offset=0)
        pieces.stands(at)
        cut = _Cut(source.read(digest, size, at.offset))
        begun = at.offset
        while at.offset < size:
            if at.offset > begun and not pieces.go_on():
                return at
            at = self._timed(at, cut, min(self._piece_bytes, size - at.offset), pieces)
        cut.end()
        self.registry.finish_upload(self.name, at.location, digest)
        return None

    def _resumed(self, before: Upload | None) -> Upload | None:
        if before is None:
            return None
        try:
            held = self.registry.upload_offset(self.name, before.location)
        except Invalid:
            return before  # It does not say: what it took it holds.
        return None if held is None else Upload(location=before.location, offset=held)

    def _timed(self, at: Upload, chunks: _Cut, size: int, pieces: Pieces) -> Upload:
        """Fast, and the next pieces are larger; slow, and they are smaller."""
        begun = time.monotonic()
        following = self._append(at, chunks, size, pieces)
        took_s = time.monotonic() - begun
        if took_s > 2 * PIECE_S:
            self._piece_bytes = max(min(LEAST_PIECE_BYTES, self._most_bytes), self._piece_bytes // 2)
        elif took_s < PIECE_S / 2 and size == self._piece_bytes:
            self._piece_bytes = min(2 * size, self._most_bytes)
        return following

    def _append(self, at: Upload, chunks: _Cut, size: int, pieces: Pieces) -> Upload:
        """Raises Unavailable where the registry holds another number of bytes, or nothing any more."""
        host = self.registry.host
        try:
            location = self.registry.append(self.name, at.location, at.offset, _told(chunks.first(size), pieces), size)
        except RangeInvalid as other:
            pieces.stands(Upload(location=at.location, offset=other.offset))
            raise Unavailable(f"{host} holds another part of an upload than was sent") from other
        except UploadUnknown as gone:
            raise Unavailable(f"{host} has given an upload up") from gone
        following = Upload(location=location, offset=at.offset + size)
        pieces.stands(following)
        return following

    def push(self, manifest: Manifest, tag: str, at: Standing | None, *, override: bool) -> bool:
        """A registry knows no conditions: between the look at the tag and its push others may come."""
        if tag and not override and self.standing(tag) != at:
            return False
        reference = tag or manifest.digest
        self.registry.push(self.name, reference, manifest.media_type, manifest.body, synchronised=self._synchronised)
        list_referrer(self.registry, self.name, manifest)
        return True

    def wants(self, companion: Digest, tag: str, original: Digest) -> bool:
        """Where one stands of another original it is replaced, unless it is nobody's companion."""
        standing = self.standing(tag)
        if standing is None or standing.digest != original:
            return False
        beside = self.standing(TagName(tag).accelerated)
        if beside is None or beside.digest == companion:
            return beside is None
        made_of = labels(document(self.manifest(beside.digest).body).get("annotations")).get(SOURCE)
        return made_of is not None and made_of != original

    def accelerate(self, companion: Manifest, tag: str, original: Digest) -> bool:
        try:
            return self.push(companion, TagName(tag).accelerated, None, override=True)
        except Conflict:
            return False  # A service like this one keeps the name for what it makes itself.


class _Cut:
    """Chunks as so many bytes at a time."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def first(self, size: int) -> Iterator[bytes]:
        while size > 0:
            chunk = self._rest or next(self._chunks, b"")
            if not chunk:
                return
            self._rest = chunk[size:]
            taken = chunk[:size]
            size -= len(taken)
            yield taken

    def end(self) -> None:
        """Whoever reads to the end is told there whether it was what it should be."""
        for _ in self._chunks:
            pass


def _told(chunks: Iterable[bytes], pieces: Pieces) -> Iterator[bytes]:
    for chunk in chunks:
        pieces.moved(len(chunk))
        yield chunk
