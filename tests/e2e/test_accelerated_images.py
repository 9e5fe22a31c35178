"""Images that load lazily, on one machine and on AWS: pushed with the switch on, converted, taken along."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib.acceleration import store
from chalicelib.acceleration.models import ConversionRecord
from chalicelib.estargz.models import TOC_DIGEST, Recipe
from chalicelib.estargz.verification import verify
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import RepositoryName

from .conftest import Client
from .image import SmallImage
from .worlds import World, eventually

# Clocks of other stories begin with the world.
pytestmark = [pytest.mark.campaign, pytest.mark.usefixtures("begun")]

TAGS = "/namespaces/lazy/repositories/app/tags"
# From the end of a converter's claim to the next one's work: the task asks again after a minute.
HEALED_S = 240.0


def test_pushed_image_is_accelerated_beside_its_original(world: World, client: Client, tmp_path: Path) -> None:
    """A1 A2, R6: by the function that listens to conversions, though one that began before has died."""
    world.here("POST", "/namespaces", {"name": "lazy", "auto_create_repository": True, "acceleration": True})
    image = client.image({"app/main": "its program", "app/large": secrets.token_bytes(6_000_000)})
    died_converting(world, image)

    client.push("lazy/app:v1", image)

    eventually(lambda: tags(world)["v1"]["acceleration"]["state"] == "succeeded", "the end of its conversion", HEALED_S)
    seen = tags(world)
    assert {name: tag["accelerated"] for name, tag in seen.items()} == {"v1": False, "v1-accelerated": True}
    assert seen["v1"]["digest"] == image.digest
    assert client.pulled("lazy/app:v1") == image.body
    client.pulled("lazy/app:v1-accelerated")
    assert {"app/main", "app/large"} <= lazily_loadable(client, "lazy/app:v1-accelerated", tmp_path)
    (conversion,) = conversions(world, image)
    assert (conversion.state, conversion.failures) == ("succeeded", 1)

    world.here("DELETE", f"{TAGS}/v1")
    assert tags(world) == {}, "the companion goes with its original"
    assert world.refused() == [], "a function lacks a right that it needs"


def tags(world: World) -> dict[str, Any]:
    return {tag["tag"]: tag for tag in world.here("GET", TAGS)["items"]}


def died_converting(world: World, image: SmallImage) -> None:
    """The image's layer as a converter leaves it that died some time ago: its claim holds for a while."""
    made = world.here("POST", "/namespaces/lazy/repositories", {"name": "app"})
    with world.stack() as stack:
        now = stack.clock.now()
        left = ConversionRecord(
            layer=image.blobs[1],
            recipe=Recipe().id,
            state="running",
            repository_id=made["id"],
            repository=RepositoryName("lazy/app"),
            files=store.packed(()),
            asked_at=to_text(now - timedelta(minutes=2)),
            claim=new_id(),
            claimed_until=to_text(now + timedelta(seconds=10)),
            expires=store.expiry(now),
        )
        assert store.keep(stack.table, instance_id(world), left, None) is not None


def conversions(world: World, image: SmallImage) -> list[ConversionRecord]:
    with world.stack() as stack:
        pairs = [(image.blobs[1], Recipe().id)]
        return list(store.conversions(stack.table, instance_id(world), pairs).values())


def instance_id(world: World) -> str:
    return str(world.ask("GET", "/instances/default").json()["id"])


def lazily_loadable(client: Client, name: str, folder: Path) -> set[str]:
    """Pulls it, and verifies each of its layers as those who load it lazily do. Names of all that the layers hold."""
    layout = folder / "pulled"
    client.shell.run("crane", "pull", "--format", "oci", client.name(name), layout)
    blobs = layout / "blobs" / "sha256"
    (listed,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads((blobs / listed["digest"].removeprefix("sha256:")).read_text())
    names: set[str] = set()
    for layer in manifest["layers"]:
        data = (blobs / layer["digest"].removeprefix("sha256:")).read_bytes()
        toc = verify(partial(_range, data), len(data), layer["annotations"][TOC_DIGEST])
        names |= {entry.name for entry in toc.entries}
    return names


def _range(data: bytes, offset: int, size: int) -> bytes:
    return data[offset : offset + size]
