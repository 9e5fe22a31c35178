"""Repositories full of images for the tests of the API, and an API caller who may read and change them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from chalicelib.chain import CHAIN
from chalicelib.collection.service import Fsck
from chalicelib.edge.consume import send
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from chalicelib.registry import handlers
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories
from tests.background import run_background
from tests.management import Api
from tests.stacks import FrozenClock, make_instance, make_namespace

from .images import NAME, descriptor, image, owner_of, push_blob, push_manifest

OTHER = RepositoryName("library/other")
DAY = 86_400
CONFIG: dict[str, Any] = {
    "os": "linux",
    "architecture": "amd64",
    "created": "2025-12-01T10:00:00.123456789Z",
    "config": {
        "User": "nobody",
        "Entrypoint": ["/bin/app"],
        "Cmd": ["serve"],
        "Env": ["PATH=/bin"],
        "Labels": {"maintainer": "somebody"},
        "ExposedPorts": {"8080/tcp": {}},
        "WorkingDir": "/srv",
    },
    "history": [
        {"created_by": "COPY app /bin"},
        {"created_by": "ENV PATH=/bin", "empty_layer": True},
        {"created_by": "RUN setup"},
    ],
}


@dataclass(frozen=True)
class Library:
    """Namespace `library` of instance `ci`, whose pushes make repositories."""

    stack: Stack
    instance: Instance

    @classmethod
    def opened(cls, stack: Stack, **namespace: Any) -> Library:
        instance = make_instance(stack)
        make_namespace(stack, instance, **namespace)
        return cls(stack, instance)

    @property
    def registry(self) -> Registry:
        return Registry(self.stack)

    @property
    def owner(self) -> Caller:
        return owner_of(self.instance)

    def api(self, role: Role = Role.OWNER) -> Api:
        return Api.signed_in(self.stack, role)

    def repository(self, name: RepositoryName = NAME) -> Repository:
        return Repositories(self.stack).get(self.instance.id, name, fresh=True)

    def path(self, rest: str = "", name: RepositoryName = NAME) -> str:
        return f"/instances/ci/namespaces/{name.namespace}/repositories/{name.short}{rest}"

    def push(
        self, *tags: str, layers: tuple[bytes, ...] = (b"one", b"two"), name: RepositoryName = NAME, **config: Any
    ) -> Digest:
        """An image whose config is CONFIG with these changes."""
        described = json.dumps({**CONFIG, **config}).encode()
        return self.push_with(described, *tags, layers=layers, name=name)

    def push_with(
        self,
        config: bytes,
        *tags: str,
        layers: tuple[bytes, ...] = (b"one", b"two"),
        name: RepositoryName = NAME,
        **more: Any,
    ) -> Digest:
        for data in (config, *layers):
            push_blob(self.registry, self.owner, data, name)
        body = image(*layers, config=config, **more)
        return push_manifest(self.registry, self.owner, body, *tags, name=name).digest

    def push_index(self, *children: tuple[Digest, str], tag: str, name: RepositoryName = NAME) -> Digest:
        """children: digests of images that are here, each with its platform."""
        manifests = []
        for digest, platform in children:
            body = self.registry.pull(self.owner, name, digest).body
            system, architecture, *variant = platform.split("/")
            described = {"os": system, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
            manifests.append({**descriptor(body, media.OCI_MANIFEST), "platform": described})
        body = json.dumps({"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": manifests}).encode()
        return push_manifest(self.registry, self.owner, body, tag, name=name).digest

    def handle_events(self) -> None:
        """Brings every push its event, as the object store would."""
        pushes = self.stack.objects(self.instance.bucket).list(f"{self.instance.id}/pushes/").items
        for push in pushes:
            send(self.stack, handlers.object_created(self.stack, self.instance.bucket, push.key), CHAIN)


def gone_for_good(library: Library, clock: FrozenClock) -> None:
    """After every deadline nothing of the library's content is left."""
    for days in (8, 2, 2):
        clock.advance(days * DAY)
        run_background(library.stack)
    assert list(Fsck(library.stack, deep=True).run()) == []
    objects = library.stack.objects(library.instance.bucket)
    assert objects.list(f"{library.instance.id}/blobs/").items == ()
    assert Instances(library.stack).usage(library.instance).storage.used == 0
