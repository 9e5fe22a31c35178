"""The two ends of a copy, each one repository: of this service (`local`), or of any registry (`remote`).

Whatever is read may be believed: a source gives bytes only under the digest that they have, or raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from chalicelib.kernel.names import Digest

from .models import Manifest, Standing, Upload


class Source(Protocol):
    """One repository that is read. Each call may raise NotFound, Denied, PullBlocked, Unavailable."""

    def tags(self) -> Iterator[str]:
        """Names of all its tags."""
        ...

    def manifest(self, reference: str) -> Manifest:
        """By tag or digest."""
        ...

    def referrers(self, digest: Digest) -> Sequence[Digest]:
        """Manifests about another: signatures, bills of materials."""
        ...

    def read(self, digest: Digest, size: int, start: int = 0) -> Iterator[bytes]:
        """A blob's bytes from there on. Of one that is read from its beginning the end raises where it is another."""
        ...


class Target(Protocol):
    """One repository that is written. Each call may raise Denied, QuotaExceeded, TagImmutable, Unavailable …"""

    def standing(self, tag: str) -> Standing | None:
        """What a tag points to now; None where there is no such tag, or no such repository."""
        ...

    def holds(self, digest: Digest) -> bool:
        """Whether a manifest is here."""
        ...

    def has(self, digest: Digest) -> bool:
        """Whether a blob is here; then it stays for the manifest to come."""
        ...

    def take(self, source: Source, digest: Digest, size: int) -> bool:
        """The blob came from the source without its bytes passing here: linked, mounted, or copied inside the store."""
        ...

    def upload(self, digest: Digest, size: int, source: Source, before: Upload | None, pieces: Pieces) -> Upload | None:
        """Sends a blob, or as much of it as there is time for. None: it is here now, whole and verified; else where
        it goes on."""
        ...

    def push(self, manifest: Manifest, tag: str, at: Standing | None, *, override: bool) -> bool:
        """The manifest, under a tag unless that is "". False: without leave to replace it, the tag moved away from
        where it stood, and is left."""
        ...


class Pieces(Protocol):
    """How an upload is to be cut up: asks before each piece, tells of its bytes."""

    def go_on(self) -> bool:
        """Whether there is time for another piece."""
        ...

    def moved(self, size: int) -> None:
        """So many bytes went; waits where they went too fast."""
        ...
