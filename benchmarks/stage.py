"""What a registry is filled with before the rows begin: an image to read, a large blob, a repository with many tags."""

import hashlib
import itertools
from dataclasses import dataclass

from benchmarks.load import LoadFailed, drive
from benchmarks.operations import (
    Blob,
    BlobMaker,
    build_manifest,
    check_bytes,
    next_tag,
    push_blob,
    push_image,
    push_manifest,
    push_tags,
)
from benchmarks.process import Server
from benchmarks.target import Gate, Target, open_target
from benchmarks.wire import Operation

READ_TAG = "v1"
LARGE_BLOB_BYTES = 10 * 1024 * 1024
_LAYERS_OF_READ_IMAGE = 6
_SMALL_BLOB_BYTES = 4096
_FILL_CONNECTIONS = 8
TAGS_PER_REQUEST = 10
"""How many ``?tag=`` a registry must take at least (distribution-spec, pushing manifests by digest)."""


@dataclass(frozen=True)
class ReadContent:
    """What the read rows ask for, in one repository."""

    target: Target
    manifest_digest: str
    layer_digest: str
    large_digest: str


@dataclass(frozen=True)
class TaggedRepository:
    """A repository with many tags, and blobs in it that new manifests may name."""

    target: Target
    tags: tuple[str, ...]
    config: Blob
    layer: Blob
    filled_in_s: float


class Stage:
    """One running registry, filled for the rows."""

    def __init__(self, server: Server, port: int, gate: Gate) -> None:
        self.server = server
        self._port = port
        self._gate = gate
        self._serials = itertools.count()
        self._read: ReadContent | None = None
        self._tagged: dict[int, TaggedRepository] = {}

    @property
    def address(self) -> tuple[str, int]:
        """Where the load client connects to."""
        return ("127.0.0.1", self._port)

    def perform(self, target: Target, operation: Operation) -> None:
        """One operation outside of any measurement; raises LoadFailed when it is refused."""
        outcome = drive(target.address, 1, lambda: operation, most=1)
        if outcome.errors:
            raise LoadFailed(outcome.errors[0])

    def new_repository(self, name: str) -> Target:
        """A repository nobody used before, made by a first push."""
        target = open_target(self._port, self._gate, f"bench-{name}-{next(self._serials)}")
        self.perform(target, push_image(target, BlobMaker(1024), BlobMaker(_SMALL_BLOB_BYTES)))
        self._gate.forget(target.repository)
        return target

    def read_content(self) -> ReadContent:
        """An image of six layers under ``v1`` and a blob of 10 MiB; pushed on first call, and read back to prove it."""
        if self._read is None:
            target = self.new_repository("read")
            makers = BlobMaker(1024), BlobMaker(_SMALL_BLOB_BYTES), BlobMaker(LARGE_BLOB_BYTES)
            config, large = makers[0].make(), makers[2].make()
            layers = [makers[1].make() for _ in range(_LAYERS_OF_READ_IMAGE)]
            for blob in (config, large, *layers):
                self.perform(target, push_blob(target, blob, patched=False))
            manifest = build_manifest(config, layers)
            digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
            self.perform(target, push_manifest(target, READ_TAG, manifest))
            self.perform(target, check_bytes(target, target.path(f"manifests/{READ_TAG}"), digest))
            self.perform(target, check_bytes(target, target.path(f"blobs/{large.digest}"), large.digest))
            self._read = ReadContent(target, digest, layers[0].digest, large.digest)
        return self._read

    def tagged_repository(self, tags: int) -> TaggedRepository:
        """A repository of so many tags; filled when it is first asked for, and the same one from then on."""
        if tags not in self._tagged:
            self._tagged[tags] = self.fill_tags(tags)
        return self._tagged[tags]

    def fill_tags(self, tags: int) -> TaggedRepository:
        """A new repository with so many tags, all on one manifest, ten to a request."""
        target = self.new_repository("tags")
        config, layer = BlobMaker(1024).make(), BlobMaker(_SMALL_BLOB_BYTES).make()
        for blob in (config, layer):
            self.perform(target, push_blob(target, blob, patched=False))
        manifest = build_manifest(config, (layer,))
        names = [next_tag() for _ in range(tags)]
        batches = iter([tuple(names[start : start + TAGS_PER_REQUEST]) for start in range(0, tags, TAGS_PER_REQUEST)])
        outcome = drive(
            target.address,
            _FILL_CONNECTIONS,
            lambda: push_tags(target, manifest, next(batches)),
            most=-(-tags // TAGS_PER_REQUEST),
        )
        if outcome.errors:
            raise LoadFailed(f"while filling {target.repository}: {outcome.errors[0]}")
        return TaggedRepository(target, tuple(names), config, layer, outcome.elapsed_s)
