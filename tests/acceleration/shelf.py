"""Images that are pushed and accelerated, on a stack of the test's own.

shelf = Shelf.opened(stack, acceleration=True)
digest = shelf.push(BASE, APP, tag="v1")
shelf.work()                          the push's event, its task, the conversions, the end
shelf.tag("v1-accelerated")           what came of it
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.acceleration.models import ConversionRecord
from chalicelib.chain import CHAIN, WORKERS
from chalicelib.edge.consume import decode, handle, send
from chalicelib.estargz.models import MEDIA_TYPE, TOC_DIGEST
from chalicelib.estargz.verification import verify
from chalicelib.instances.models import Instance
from chalicelib.kernel import media
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.messages import AnnounceUntold, ContinueAcceleration, ConvertLayer
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.notifications.handlers import announce
from chalicelib.ports import acceleration_keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import Acceleration, TagRecord
from chalicelib.tasks.models import Task
from chalicelib.tasks.service import Tasks
from tests.background import run_tasks
from tests.management import Api
from tests.packages.rebuild import tar
from tests.registry.images import NAME, descriptor, push_blob, push_manifest
from tests.registry.library import Library

GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
PLAIN: Final = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
FOREIGN: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

Files = Mapping[str, str | bytes]
BASE: Final[Files] = {"bin/sh": b"#!/bin/busybox\n", "etc/os-release": "ID=debian\n", "usr/lib/big": b"x" * 70_000}
APP: Final[Files] = {"srv/app.py": "print('hello')\n", "srv/data": b"data" * 100}


def gzipped(files: Files) -> bytes:
    return gzip.compress(tar(files), 1, mtime=0)


def names_in(layer: bytes) -> list[str]:
    """What a plain client unpacks."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as archive:
        return [member.name for member in archive]


@dataclass(frozen=True)
class Shelf:
    library: Library

    @classmethod
    def opened(cls, stack: Stack, **namespace: Any) -> Shelf:
        return cls(Library.opened(stack, **namespace))

    @property
    def stack(self) -> Stack:
        return self.library.stack

    @property
    def instance(self) -> Instance:
        return self.library.instance

    @property
    def api(self) -> Api:
        return self.library.api()

    # Pushing

    def push(
        self,
        *layers: Files | bytes,
        tag: str = "v1",
        platform: str = "linux/amd64",
        layer_type: str = GZIP,
        docker: bool = False,
        name: RepositoryName = NAME,
        **config: Any,
    ) -> Digest:
        """An image; with tag "" by its digest alone. Bytes are layers as they are."""
        bodies = [layer if isinstance(layer, bytes) else gzipped(layer) for layer in layers]
        written = json.dumps(self.config(bodies, platform, **config)).encode()
        for data in (written, *bodies):
            push_blob(self.library.registry, self.library.owner, data, name)
        document = {
            "schemaVersion": 2,
            "mediaType": media.DOCKER_MANIFEST if docker else media.OCI_MANIFEST,
            "config": descriptor(written, media.DOCKER_CONFIG if docker else media.OCI_CONFIG),
            "layers": [descriptor(body, DOCKER_LAYER if docker else layer_type) for body in bodies],
            **({} if docker else {"annotations": {"org.example.kept": "yes"}}),
        }
        return self.push_document(document, *([tag] if tag else []), name=name)

    @staticmethod
    def config(layers: Sequence[bytes], platform: str, **config: Any) -> dict[str, Any]:
        system, architecture = platform.split("/")
        return {
            "os": system,
            "architecture": architecture,
            "config": {"Entrypoint": ["/srv/app.py"], **config},
            "history": [{"created_by": f"COPY layer {number}"} for number in range(len(layers))],
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in layers]},
        }

    def push_document(self, document: Mapping[str, Any], *tags: str, name: RepositoryName = NAME) -> Digest:
        body = json.dumps(document).encode()
        return push_manifest(self.library.registry, self.library.owner, body, *tags, name=name).digest

    def push_index(self, tag: str, *children: tuple[Digest, Mapping[str, Any]], nested: Digest | None = None) -> Digest:
        """children: digest, and what the index says of it beside."""
        manifests = [{**self._described(digest), **more} for digest, more in children]
        if nested is not None:
            manifests.append(self._described(nested))
        index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": manifests}
        return self.push_document({**index, "annotations": {"org.example.kept": "index"}}, *([tag] if tag else []))

    def _described(self, digest: Digest) -> dict[str, Any]:
        body = self.body(digest)
        return descriptor(body, json.loads(body)["mediaType"])

    # The background

    def work(self) -> None:
        """Brings pushes their events, tasks and conversions their messages, and ends their announcement."""
        for _ in range(5):
            self.library.handle_events()
            if not run_tasks(self.stack):
                break
        self.announce()

    def announce(self) -> None:
        for message in announce(self.stack):
            if isinstance(message, AnnounceUntold):
                handle(self.stack, message, CHAIN)

    def messages(self, kind: type[ContinueAcceleration] | type[ConvertLayer] | None = None) -> int:
        """How many wait on the queue; of one kind they are brought first."""
        return self.stack.queues.depth(ContinueAcceleration.queue)

    def convert_layers(self) -> int:
        """Brings converters alone their messages; steps of tasks stay where they are."""
        converted = 0
        for delivery in self.stack.queues.receive(ConvertLayer.queue, most=10, visibility_s=1):
            message = decode(delivery.body, [ContinueAcceleration, ConvertLayer])
            if isinstance(message, ConvertLayer):
                send(self.stack, CHAIN[ConvertLayer][0](self.stack, message), CHAIN)
                self.stack.queues.complete([delivery])
                converted += 1
        return converted

    def step(self, task_id: str) -> Task:
        Tasks(self.stack).carry_out(self.instance.id, task_id, WORKERS)
        return self.task(task_id)

    # What came of it

    def task(self, task_id: str = "") -> Task:
        """The newest of its kind, unless one is named."""
        tasks = Tasks(self.stack)
        return tasks.get(self.instance.id, task_id) if task_id else self.tasks()[0]

    def tasks(self) -> list[Task]:
        return list(Tasks(self.stack).list(self.instance.id, "acceleration", None, None, 100).items)

    def items(self, task: Task) -> dict[str, tuple[str, str]]:
        """tag → verdict, reason"""
        found = Tasks(self.stack).items(task, "", None, 1000).items
        return {item.tag: (item.verdict, item.reason) for item in found}

    def tag(self, name: str, repository: RepositoryName = NAME) -> TagRecord | None:
        try:
            return self.library.registry.tag(self.library.repository(repository), TagName(name))
        except NotFound:
            return None

    def mark(self, name: str = "v1") -> Acceleration | None:
        tag = self.tag(name)
        return tag.acceleration if tag is not None else None

    def rows(self) -> list[ConversionRecord]:
        partition = acceleration_keys.conversions_partition(self.instance.id)
        found = self.stack.table.query(partition, prefix="LAYER#", limit=1000).items
        return [ConversionRecord.model_validate(row) for row in found]

    def body(self, reference: str, name: RepositoryName = NAME) -> bytes:
        parsed = Digest(reference) if ":" in reference else TagName(reference)
        return self.library.registry.pull(self.library.owner, name, parsed).body

    def document(self, reference: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body(reference))
        return found

    def blob(self, digest: str, name: RepositoryName = NAME) -> bytes:
        registry = self.library.registry
        reading = registry.read_blob(registry.blob(self.library.owner, name, Digest(digest)))
        try:
            return b"".join(reading.chunks())
        finally:
            reading.close()

    def layers(self, reference: str) -> list[bytes]:
        """Of an accelerated image, each as a node would check it."""
        found = []
        manifest = self.document(reference)
        config = json.loads(self.blob(manifest["config"]["digest"]))
        for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
            data = self.blob(layer["digest"])
            assert layer["mediaType"] == MEDIA_TYPE
            assert len(data) == layer["size"]
            assert f"sha256:{hashlib.sha256(gzip.decompress(data)).hexdigest()}" == diff_id
            verify(lambda at, wanted, data=data: data[at : at + wanted], len(data), layer["annotations"][TOC_DIGEST])  # type: ignore[misc]
            found.append(data)
        return found
