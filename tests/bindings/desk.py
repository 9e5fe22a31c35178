"""A desk at which environments and services are made through the API, and images pushed into what they are bound to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.instances.models import Instance
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories
from tests.management import Api, Reply
from tests.registry.images import owner_of, push_image
from tests.stacks import make_instance


@dataclass(frozen=True)
class Desk:
    stack: Stack
    instance: Instance
    owner: Api

    @classmethod
    def opened(cls, stack: Stack) -> Desk:
        return cls(stack, make_instance(stack), Api.signed_in(stack))

    def environment(self, name: str = "dev", **more: str) -> Any:
        return self.made(self.owner.post("/environments", {"name": name, "instance": "ci", **more}))

    def ask_service(self, environment: str, name: str, **binding: str) -> Reply:
        body = {"name": name, **({"binding": binding} if binding else {})}
        return self.owner.post(f"/environments/{environment}/services", body)

    def service(self, environment: str = "dev", name: str = "web", **binding: str) -> Any:
        return self.made(self.ask_service(environment, name, **binding))

    def ask_version(self, name: str, tag: str, service: str = "dev/web") -> Reply:
        return self.owner.post(f"{path_of(service)}/versions", {"name": name, "tag": tag})

    def version(self, name: str, tag: str, service: str = "dev/web") -> Any:
        return self.made(self.ask_version(name, tag, service))

    def repository(self, name: str, visibility: Any = "private") -> Repository:
        return Repositories(self.stack).create(self.instance, RepositoryName.parse(name), visibility, "ada")

    def push(self, name: str, *tags: str, layer: bytes = b"a layer") -> None:
        """One image under these tags of a repository."""
        for tag in tags:
            push_image(Registry(self.stack), owner_of(self.instance), layer, tag=tag, name=RepositoryName.parse(name))

    def images(self, service: str = "dev/web", **query: object) -> list[dict[str, Any]]:
        reply = self.owner.get(f"{path_of(service)}/images", **query)
        assert reply.status == 200, reply.text
        return list(reply.json()["items"])

    def delete_image(self, tag: str, service: str = "dev/web", **query: object) -> Reply:
        return self.owner.delete(f"{path_of(service)}/images/{tag}", **query)

    def made(self, reply: Reply) -> Any:
        assert reply.status == 201, reply.text
        return reply.json()


def path_of(service: str) -> str:
    environment, _, name = service.partition("/")
    return f"/environments/{environment}/services/{name}"


def used(image: dict[str, Any]) -> list[str]:
    return ["/".join(use[part] for part in ("environment", "service", "version")) for use in image["used_by"]]
