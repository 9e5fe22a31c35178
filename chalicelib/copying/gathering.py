"""Everything that an image needs at the target, in the order in which it is pushed.

    children, and what they list ─► the manifest ─► its referrers, each like a manifest of its own

What the target has already is not read, but for the lists of indexes: signatures may have come to what they list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from chalicelib.kernel import media
from chalicelib.kernel.errors import NotFound, Refused
from chalicelib.kernel.names import Digest

from .contents import Contents, contents
from .ends import Source, Target
from .models import Effort, Manifest

MOST_MANIFESTS: Final = 1000
MOST_BLOBS: Final = 20_000
# Of manifests that are held until they are pushed; others are read again then.
MOST_HELD_BYTES: Final = 16 * 1024 * 1024
# Of manifests that wait for what they list, each in the next one's list.
MOST_OPEN_BYTES: Final = 64 * 1024 * 1024


class ImageTooLarge(Refused):
    code = "IMAGE_TOO_LARGE"
    status = 409

    def __init__(self) -> None:
        super().__init__(f"it has more than {MOST_MANIFESTS} manifests or {MOST_BLOBS} layers, signatures and all")


@dataclass(slots=True)
class Needed:
    """
    order   manifests that the target has not, each after what it needs
    blobs   theirs, digest → size in bytes
    """

    order: list[Digest] = field(default_factory=list)
    blobs: dict[Digest, int] = field(default_factory=dict)
    _held: dict[Digest, Manifest] = field(default_factory=dict)
    _held_bytes: int = 0

    def add(self, manifest: Manifest, made_of: Contents) -> None:
        self.order.append(manifest.digest)
        self.blobs.update(made_of.blobs)
        if len(self.blobs) > MOST_BLOBS:
            raise ImageTooLarge
        if self._held_bytes + len(manifest.body) <= MOST_HELD_BYTES:
            self._held_bytes += len(manifest.body)
            self._held[manifest.digest] = manifest

    def manifest(self, digest: Digest, source: Source) -> Manifest:
        return self._held.get(digest) or source.manifest(digest)


@dataclass(slots=True)
class _Step:
    """Of a walk: come to a manifest, or, once all that it needs was seen, note it."""

    digest: Digest
    media_type: str = ""
    manifest: Manifest | None = None
    ready: tuple[Manifest, Contents] | None = None


class Gathering:
    def __init__(self, source: Source, target: Target, effort: Effort, *, referrers: bool) -> None:
        self._source = source
        self._target = target
        self._effort = effort
        self._referrers = referrers
        self._seen: set[Digest] = set()
        self._open_bytes = 0

    def needed(self, root: Manifest, *, here: bool) -> Needed:
        """here: the target has the root itself. Raises ImageTooLarge, PullBlocked, ManifestInvalid, and Unavailable
        where it takes too long."""
        needed, waiting = Needed(), [_Step(root.digest, manifest=root)]
        while waiting:
            step = waiting.pop()
            if step.ready is not None:
                self._open_bytes -= len(step.ready[0].body)
                needed.add(*step.ready)
                continue
            if step.digest in self._seen:
                continue
            # Lists of what is listed elsewhere too make it wait twice, and only that.
            if len(self._seen) == MOST_MANIFESTS or len(waiting) > 4 * MOST_MANIFESTS:
                raise ImageTooLarge
            self._effort.refuse_overtime()
            self._seen.add(step.digest)
            is_here = here if step.digest == root.digest else self._target.holds(step.digest)
            # What is put last is taken first.
            waiting += reversed(list(self._around(step, here=is_here)))
        return needed

    def _around(self, step: _Step, *, here: bool) -> Iterator[_Step]:
        manifest = step.manifest
        if manifest is None and (not here or (self._referrers and step.media_type in media.INDEXES)):
            try:
                manifest = self._source.manifest(step.digest)
            except NotFound:
                return  # An index may be sparse; whether it may be so here is the target's to say.
        made_of = contents(manifest) if manifest is not None else None
        if made_of is not None and (not here or self._referrers):
            yield from _children(made_of.children)
        if manifest is not None and made_of is not None and not here:
            self._open_bytes += len(manifest.body)
            if self._open_bytes > MOST_OPEN_BYTES:
                raise ImageTooLarge
            yield _Step(step.digest, ready=(manifest, made_of))
        if self._referrers:
            yield from (_Step(referrer) for referrer in self._source.referrers(step.digest))


def _children(listed: Mapping[Digest, str]) -> Iterator[_Step]:
    yield from (_Step(digest, media_type) for digest, media_type in listed.items())
