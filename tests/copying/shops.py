"""Two repositories of this service, of one instance or of two, and what is copied between them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from chalicelib.copying.callers import SYNC, bringer, reader
from chalicelib.copying.copier import Copier
from chalicelib.copying.ends import Source, Target
from chalicelib.copying.local import LocalRepository
from chalicelib.copying.models import Effort, Outcome, Progress
from chalicelib.instances.models import Instance
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import TagRecord
from chalicelib.registry.service import Registry
from tests.registry.images import descriptor, image, index, owner_of, push_blob, push_manifest
from tests.stacks import make_instance, make_namespace

NAME = RepositoryName("library/app")
COPY = RepositoryName("shelf/app")


@dataclass
class Shop:
    """One repository of an instance, filled by its owner."""

    stack: Stack
    instance: Instance
    name: RepositoryName = NAME

    @property
    def registry(self) -> Registry:
        return Registry(self.stack)

    def blob(self, data: bytes) -> dict[str, Any]:
        push_blob(self.registry, owner_of(self.instance), data, self.name)
        return descriptor(data)

    def put(self, body: bytes, *tags: str) -> Digest:
        return push_manifest(self.registry, owner_of(self.instance), body, *tags, name=self.name).digest

    def push(self, *tags: str, layers: tuple[bytes, ...] = (b"one", b"two"), **more: Any) -> Digest:
        for data in (b"{}", *layers):
            self.blob(data)
        return self.put(image(*layers, **more), *tags)

    def push_index(self, tag: str, *layers: bytes) -> Digest:
        """An image for each layer, listed."""
        bodies = []
        for layer in layers:
            self.push(layers=(layer,))
            bodies.append(image(layer))
        return self.put(index(*bodies), tag)

    def sign(self, subject: Digest, layer: bytes = b"signature") -> Digest:
        about = {"mediaType": media.OCI_MANIFEST, "digest": subject, "size": len(self.body(subject))}
        return self.push(layers=(layer,), subject=about, artifactType="application/vnd.signature")

    def body(self, reference: str) -> bytes:
        wanted = Digest(reference) if ":" in reference else TagName(reference)
        return self.registry.pull(owner_of(self.instance), self.name, wanted, judged=False).body

    def tag(self, name: str) -> TagRecord:
        from chalicelib.repositories.service import Repositories

        return self.registry.tag(Repositories(self.stack).get(self.instance.id, self.name, fresh=True), TagName(name))

    def digest(self, tag: str) -> str:
        return Digest.of(self.body(tag))

    def layers(self, reference: str) -> list[bytes]:
        """Bytes of all layers of an image."""
        found = []
        for layer in json.loads(self.body(reference))["layers"]:
            blob = self.registry.blob(owner_of(self.instance), self.name, Digest(layer["digest"]), judged=False)
            reading = self.registry.read_blob(blob)
            found.append(b"".join(reading.chunks()))
            reading.close()
        return found

    def referrers(self, digest: str) -> list[str]:
        page = self.registry.referrers(owner_of(self.instance), self.name, Digest(digest))
        return [one.digest for one in page.items]

    def source(self) -> LocalRepository:
        return LocalRepository(self.stack, reader(self.instance, self.name, SYNC), self.name)

    def target(self) -> LocalRepository:
        return LocalRepository(self.stack, bringer(self.instance, self.name, SYNC), self.name)


@dataclass
class Route:
    """From one shop to another, or by ends of any kind."""

    source: Source
    target: Target
    effort: Effort = field(default_factory=Effort)

    def copy(self, reference: str = "v1", tag: str | None = None, **options: Any) -> Outcome:
        asked = {"override": False, **options}
        wanted = reference if tag is None else tag
        return Copier(self.source, self.target, self.effort).copy(reference, wanted, **asked)

    def resume(self, progress: Progress | None, reference: str = "v1") -> Outcome:
        return Copier(self.source, self.target, Effort()).copy(reference, reference, override=False, progress=progress)


def stopping(after_bytes: int) -> Effort:
    """Time is up once so many bytes went."""
    went = 0

    def pace(size: int) -> None:
        nonlocal went
        went += size
        if went >= after_bytes:
            effort.until = time.monotonic()

    effort = Effort(parallel=1, pace=pace)
    return effort


def two_instances(stack: Stack) -> tuple[Shop, Shop]:
    """Of one account; the target's namespace makes no repositories by itself."""
    here, there = make_instance(stack), make_instance(stack, "far")
    make_namespace(stack, here)
    make_namespace(stack, there, "shelf", auto_create_repository=False)
    return Shop(stack, here), Shop(stack, there, COPY)


def one_instance(stack: Stack) -> tuple[Shop, Shop]:
    instance = make_instance(stack)
    make_namespace(stack, instance)
    make_namespace(stack, instance, "shelf", auto_create_repository=False)
    return Shop(stack, instance), Shop(stack, instance, COPY)
