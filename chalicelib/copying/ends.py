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

    def companion(self, tag: str) -> Digest | None:
        """The accelerated image that the service keeps beside a tag; None where that is not known, or is none."""
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
        """The manifest, under a tag unless that is "". False: the tag moved away from where it stood, and is left; what
        knows no conditions looks for that only without leave to replace it."""
        ...

    def wants(self, companion: Digest, tag: str, original: Digest) -> bool:
        """Whether a companion may come beside the tag: that is this original's, and has none yet."""
        ...

    def accelerate(self, companion: Manifest, tag: str, original: Digest) -> bool:
        """Puts it there, with all that it is made of here. False: the tag moved, or the name is somebody else's."""
        ...


class Pieces(Protocol):
    """How an upload is to be cut up: asks before each piece, tells of its bytes."""

    def go_on(self) -> bool:
        """Whether there is time for another piece."""
        ...

    def moved(self, size: int) -> None:
        """So many bytes went; waits where they went too fast."""
        ...

    def stands(self, upload: Upload) -> None:
        """So much is kept by the target: if it breaks off, it goes on there."""
        ...
