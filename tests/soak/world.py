"""What the clients know: which tags stand, on which images, and who is at work on them.

A client that was told 201 may rely on it until it asks for something else itself, so every tag belongs to one deed at
a time as far as changes go. Pulls may meet a push that moves the tag: then either image is right.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"

NAMESPACE: Final = "library"
# Their tags are made at the start and only ever pulled: nothing that goes on around them may touch them.
STEADY: Final = ("steady-0", "steady-1")
STEADY_TAGS: Final = 12
# Whose tags come and go, and which come and go themselves.
CHANGING: Final = tuple(f"changing-{number}" for number in range(8))
CHANGING_TAGS: Final = 25
# Some base layers are in nearly every image, and most in one now and then: those die and come back all the time.
POPULAR_BASES: Final = 6
RARE_BASES: Final = 200
_BASE_BYTES: Final = (8_000, 120_000)
_OWN_BYTES: Final = (200, 24_000)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Blob:
    data: bytes
    media_type: str

    @cached_property
    def digest(self) -> str:
        return digest_of(self.data)

    @property
    def descriptor(self) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


@dataclass(frozen=True)
class Image:
    """layers: those that many images share first. index: where the tag points to an index of the one manifest."""

    config: Blob
    layers: tuple[Blob, ...]
    manifest: Blob
    index: Blob | None

    @property
    def top(self) -> Blob:
        """What a tag points to."""
        return self.index or self.manifest

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (*self.layers, self.config)


@dataclass(eq=False)
class Tag:
    """image: what it was last said to point to; coming: what a push under way makes of it; gone: what it last was.

    pulls   of each pull under way, what it may find: digest → image
    """

    repository: Repository
    name: str
    image: Image | None = None
    coming: Image | None = None
    gone: Image | None = None
    changing: bool = False
    version: int = 0
    pulls: list[dict[str, Image]] = field(default_factory=list)

    @property
    def idle(self) -> bool:
        return not self.changing and not self.pulls and not self.repository.leaving

    def await_push(self, image: Image) -> None:
        self.coming = image
        for found in self.pulls:
            found[image.top.digest] = image

    def settle(self, image: Image | None) -> None:
        """The service said what the tag points to now."""
        if image is not self.image:
            self.gone = self.image
        self.image, self.coming = image, None
        self.version += 1

    def begin_pull(self) -> dict[str, Image]:
        may_be = [image for image in (self.image, self.coming) if image is not None]
        found = {image.top.digest: image for image in may_be}
        self.pulls.append(found)
        return found

    def end_pull(self, found: dict[str, Image]) -> None:
        self.pulls = [other for other in self.pulls if other is not found]

    def concerns(self, digest: str) -> bool:
        """Whether a deed under way may rely on this digest."""
        busy = self.changing and digest in {image.top.digest for image in (self.image, self.coming) if image}
        return busy or any(digest in found for found in self.pulls)


@dataclass(eq=False)
class Repository:
    """users: deeds under way in it; leaving: one that deletes it is."""

    name: str
    tags: dict[str, Tag] = field(default_factory=dict)
    users: int = 0
    leaving: bool = False

    @classmethod
    def of(cls, short: str, tags: int) -> Repository:
        made = cls(f"{NAMESPACE}/{short}")
        made.tags = {name: Tag(made, name) for name in (f"t{number}" for number in range(tags))}
        return made

    def standing(self) -> list[Tag]:
        return [tag for tag in self.tags.values() if tag.image is not None]


class World:
    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._serial = 0
        self.steady = [Repository.of(name, STEADY_TAGS) for name in STEADY]
        self.changing = [Repository.of(name, CHANGING_TAGS) for name in CHANGING]
        self._popular = [self._base() for _ in range(POPULAR_BASES)]
        self._rare = [self._base() for _ in range(RARE_BASES)]

    def _base(self) -> Blob:
        return Blob(self._dice.randbytes(self._dice.randrange(*_BASE_BYTES)), _LAYER)

    def image(self) -> Image:
        """A new one: config and top layer are its own, the other layers are shared."""
        self._serial += 1
        stamp = f"image {self._serial} "
        config = Blob(json.dumps({"os": "linux", "architecture": "amd64", "stamp": stamp}).encode(), _CONFIG)
        own = Blob(stamp.encode() + self._dice.randbytes(self._dice.randrange(*_OWN_BYTES)), _LAYER)
        layers = (self._dice.choice(self._popular), self._dice.choice(self._rare), own)
        parts = {"config": config.descriptor, "layers": [layer.descriptor for layer in layers]}
        manifest = _document(OCI_MANIFEST, parts)
        index = _document(OCI_INDEX, {"manifests": [manifest.descriptor]}) if self._dice.random() < 0.15 else None
        return Image(config, layers, manifest, index)

    @property
    def repositories(self) -> list[Repository]:
        return [*self.steady, *self.changing]

    def standing(self) -> Iterator[Tag]:
        for repository in self.repositories:
            yield from repository.standing()


def _document(media_type: str, parts: Mapping[str, object]) -> Blob:
    return Blob(json.dumps({"schemaVersion": 2, "mediaType": media_type, **parts}).encode(), media_type)
