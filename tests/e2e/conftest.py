"""Each story is told in both worlds. What takes minutes begins with the world, so that all of it passes at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.conftest import Shell
from tests.notifications.receiver import Receiver, receiving
from tests.serving import PASSWORD

from .image import SmallImage, small_image
from .worlds import USERNAME, World, embedded, on_aws

WORLDS = {"embedded": embedded, "aws": on_aws}


@dataclass
class Client:
    """crane, logged in."""

    world: World
    shell: Shell
    folder: Path

    def push(self, name: str, made: SmallImage | None = None) -> SmallImage:
        """name: below the registry's host"""
        image = made or self.image()
        self.shell.run("crane", "push", image.layout, self.name(name))
        return image

    def image(self, files: Mapping[str, str | bytes] | None = None) -> SmallImage:
        return small_image(self.folder / f"image-{len(list(self.folder.iterdir()))}", files)

    def pulled(self, name: str) -> bytes:
        """The manifest's bytes, after everything that it names was fetched and compared with its digests."""
        self.shell.run("crane", "validate", "--remote", self.name(name))
        return self.shell.run("crane", "manifest", self.name(name)).encode()

    def name(self, name: str) -> str:
        return f"{self.world.registry}/{name}"


@dataclass(frozen=True)
class Begun:
    """What was set off with the world. recorded: how many entries its record had then."""

    doomed: SmallImage
    recorded: int


@pytest.fixture(scope="session", params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with WORLDS[request.param](tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


@pytest.fixture(scope="session")
def client(world: World, tmp_path_factory: pytest.TempPathFactory) -> Client:
    shell = Shell(tmp_path_factory.mktemp("home"))
    login = ("auth", "login", world.registry, "-u", USERNAME, "--password-stdin")
    shell.run("crane", *login, stdin=PASSWORD)
    return Client(world, shell, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def receiver(world: World) -> Iterator[Receiver]:
    """A user's server, told of everything there is to tell."""
    events = ["image.pushed", "image.deleted", "repository.deleted", "namespace.deleted", "task.finished"]
    with receiving() as opened:
        world.here("POST", "/webhooks", {"url": opened.url, "events": events})
        yield opened


@pytest.fixture(scope="session")
def begun(world: World, client: Client, receiver: Receiver) -> Begun:
    doomed = client.push("library/doomed:v1")
    world.here("DELETE", "/namespaces/library/repositories/doomed/tags/v1")
    world.here("POST", "/namespaces", {"name": "clockwork", "auto_create_repository": True})
    for tag in ("old", "new"):
        client.push(f"clockwork/app:{tag}")
    rules = "/namespaces/clockwork/retention/rules"
    world.here("POST", rules, {"repositories": "**", "tags": "**", "keep_last": 1, "acknowledged": True})
    every_minute = {"schedule": {"cron": "* * * * *", "timezone": "UTC"}, "acknowledged": True}
    world.here("PUT", "/namespaces/clockwork/retention", every_minute)
    return Begun(doomed, len(world.here("GET", "/audit-events", limit=100)["items"]))
