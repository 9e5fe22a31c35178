"""A registry to try faults on: an instance whose content follows from a seed, and a neighbour that nobody touches.

A scene lies in a folder. It is made once, copied for every trial and opened there, as a process would open it.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from chalicelib.instances.models import Edition, Instance
from chalicelib.kernel import media
from chalicelib.kernel.errors import BlobUnknown
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.namespaces.models import Namespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.notifications.models import EventType, Webhook
from chalicelib.notifications.service import Webhooks
from chalicelib.notifications.shapes import NewWebhook
from chalicelib.ports.embedded.spool import Spool
from chalicelib.ports.outbound import Answer
from chalicelib.ports.stack import Stack
from chalicelib.registry.companions import BY
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories
from tests.registry.images import descriptor, image, index, owner_of, push_blob, push_manifest
from tests.stacks import FrozenClock, embedded_stack, make_instance, make_namespace

from ..ports import Faults

APP, OTHER = RepositoryName("library/app"), RepositoryName("library/other")
SECOND = RepositoryName("second/tool")
DAY_S = 86_400
CONFIG = b"{}"
POOL = [f"layer {number} ".encode() * (3 + 7 * number) for number in range(8)]


class Files:
    """SQLite's files of a data folder, to be read beside the service."""

    def __init__(self, data: Path) -> None:
        self.table = sqlite3.connect(data / "table.sqlite3")
        self.queues = sqlite3.connect(data / "queues.sqlite3")

    def close(self) -> None:
        self.table.close()
        self.queues.close()


@dataclass(frozen=True)
class Scene:
    """
    files    the same table and queues, past all ports
    sparse   manifests of namespace `library` may name what is not here
    """

    folder: Path
    stack: Stack
    clock: FrozenClock
    instance: Instance
    neighbour: Instance
    files: Files
    sparse: bool

    @property
    def caller(self) -> Caller:
        return owner_of(self.instance)

    @property
    def registry(self) -> Registry:
        return Registry(self.stack)

    @property
    def spool(self) -> Spool:
        return Spool(self.folder / "data" / "events")

    def on(self, ports: Stack) -> Scene:
        """The same scene through other ports."""
        return replace(self, stack=ports)

    def repository(self, name: RepositoryName = APP) -> Repository:
        return Repositories(self.stack).get(self.instance.id, name, fresh=True)

    def namespace(self, name: str = "library") -> Namespace:
        return Namespaces(self.stack).get(self.instance.id, name, fresh=True)

    # What clients do

    def push(self, body: bytes, *tags: str, blobs: tuple[bytes, ...] = (), name: RepositoryName = APP) -> Digest:
        """As clients push: each blob is asked for and uploaded where it is missing, then the manifest."""
        for data in blobs:
            self.bring(data, name)
        return push_manifest(self.registry, self.caller, body, *tags, name=name).digest

    def bring(self, data: bytes, name: RepositoryName = APP) -> None:
        try:
            self.registry.renew(self.caller, name, Digest.of(data))
        except BlobUnknown:
            push_blob(self.registry, self.caller, data, name)

    def push_image(self, *layers: bytes, tags: tuple[str, ...] = (), name: RepositoryName = APP, **more: Any) -> Digest:
        return self.push(image(*layers, **more), *tags, blobs=(CONFIG, *layers), name=name)

    def sign(self, subject: bytes, layer: bytes, *tags: str, name: RepositoryName = APP) -> Digest:
        """A referrer of the manifest."""
        return self.push_image(layer, tags=tags, name=name, **referring_to(subject))

    def accelerate(self, tag: str, layer: bytes) -> None:
        """The companion of a tag of `library/app`, as the last step of a conversion pushes it."""
        self.bring(layer)
        original = self.registry.tag(self.repository(), TagName(tag))
        converter = replace(self.caller, principal=replace(self.caller.principal, name=BY))
        name, body = original.name.accelerated, image(layer, annotations={"of": original.digest})
        self.registry.push(converter, APP, name, (), body, media.OCI_MANIFEST, "conversion", beside=original)

    def delete(self, reference: str, name: RepositoryName = APP) -> None:
        wanted = Digest.parse(reference) if ":" in reference else TagName(reference)
        self.registry.delete(self.caller, name, wanted)


class Doorbell:
    """Users' servers: each takes what it is sent."""

    def __init__(self, calls: Faults | None = None) -> None:
        self._calls = calls or Faults()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        answer: Answer = self._calls.call("server.post", lambda: Answer(204, b""))
        return answer


def answering(stack: Stack, calls: Faults | None = None) -> Stack:
    """The stack, whose calls of users' servers end here."""
    stack.keep("webhook calls", lambda: Doorbell(calls))
    return stack


def with_webhook(scene: Scene) -> Webhook:
    """Told of everything."""
    new = NewWebhook(url="http://127.0.0.1:7350/told", events=get_args(EventType))
    return Webhooks(scene.stack).create(scene.instance, new, "ann")


def opened(folder: Path, clock: FrozenClock) -> Stack:
    return answering(embedded_stack(folder, clock, allow_private_addresses=True))


def referring_to(subject: bytes) -> dict[str, Any]:
    return {"subject": descriptor(subject, media.OCI_MANIFEST), "artifactType": "application/example"}


@dataclass(frozen=True)
class Kept:
    """A scene in its folder, closed."""

    folder: Path
    now: datetime
    instance: Instance
    neighbour: Instance
    sparse: bool

    @contextmanager
    def copied(self, folder: Path) -> Iterator[Scene]:
        """A copy of it in the folder, opened. The folder is gone afterwards."""
        shutil.copytree(self.folder, folder)
        try:
            clock = FrozenClock(self.now)
            with opened(folder, clock) as stack, contextlib.closing(Files(folder / "data")) as files:
                yield Scene(folder, stack, clock, self.instance, self.neighbour, files, self.sparse)
        finally:
            shutil.rmtree(folder)


def furnished(folder: Path, stack: Stack, clock: FrozenClock, files: Files, rng: random.Random) -> Scene:
    """Two namespaces and three repositories that share layers, in an instance beside another one."""
    edition: Edition = "personal" if rng.random() < 0.3 else "enterprise"
    instance = make_instance(stack, "ci", edition)
    neighbour = make_instance(stack, "next")
    sparse = rng.random() < 0.25
    for where in (instance, neighbour):
        make_namespace(stack, where, allow_sparse_indexes=sparse)
        make_namespace(stack, where, "second")
    scene = Scene(folder, stack, clock, instance, neighbour, files, sparse)
    replace(scene, instance=neighbour).push_image(*POOL[:2], tags=("theirs",))
    _fill(scene, rng)
    if rng.random() < 0.3:
        with_webhook(scene)
    return scene


def _fill(scene: Scene, rng: random.Random) -> None:
    bodies = []
    for number in range(rng.randint(1, 3)):
        layers = tuple(rng.sample(POOL[:4], rng.randint(1, 3)))
        tags = tuple(f"v{number}.{patch}" for patch in range(rng.randint(1, 3)))
        scene.push_image(*layers, tags=tags)
        bodies.append(image(*layers))
    if rng.random() < 0.5:
        children = list(dict.fromkeys(bodies))
        scene.push(index(*children), "multi", *(("multi2",) if rng.random() < 0.5 else ()))
    if rng.random() < 0.5:
        scene.sign(bodies[0], POOL[5])
    if rng.random() < 0.5:
        scene.push_image(*rng.sample(POOL[:4], 2), tags=("v0.0",))
    scene.push_image(*rng.sample(POOL[:4], 2), tags=("stable", "old"), name=OTHER)
    if rng.random() < 0.5:
        scene.delete("old", OTHER)
    scene.push_image(POOL[0], tags=("tool",), name=SECOND)
