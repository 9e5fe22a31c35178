"""What is pushed is brought elsewhere, on one machine and on AWS: inside the store, and to somebody else's registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clients.elsewhere import assert_all_there, digests, docker_registry

from .conftest import Client
from .worlds import World, eventually

# Clocks of other stories begin with the world.
pytestmark = [pytest.mark.campaign, pytest.mark.usefixtures("begun")]

ARRIVED_S = 150.0


def test_what_is_pushed_arrives_where_rules_say(world: World, client: Client, tmp_path: Path) -> None:
    """Y1 Y2, R6: by the function that transfers, with its own rights and with a login that is kept sealed."""
    for name in ("made", "shipped"):
        world.here("POST", "/namespaces", {"name": name, "auto_create_repository": True})
    early = client.push("made/app:v0")
    with docker_registry(tmp_path / "elsewhere") as elsewhere:
        login = {"username": elsewhere.username, "password": elsewhere.password}
        world.here("POST", "/remotes", {"name": "elsewhere", "address": elsewhere.registry.base_url, **login})
        assert world.here("POST", "/remotes/elsewhere/test")["result"] == "ok"
        rules = rule(world, "inside", "default", "shipped"), rule(world, "outside", "elsewhere", "beyond/us")

        image = client.push("made/app:v1")

        for one, moves in zip(rules, (False, True), strict=True):
            (item,) = arrived(world, one)
            assert (item["verdict"], item["tag"]) == ("copied", "v1")
            assert (item["size"] > 0, item["skipped"] > 0) == (moves, not moves)
        # What was pushed before the rule stays behind.
        assert tags(world, "shipped") == digests(elsewhere, "beyond/us/app") == {"v1": image.digest}
        assert client.pulled("shipped/app:v1") == image.body
        assert_all_there(elsewhere, "beyond/us/app", image)
    world.here("POST", "/sync-tasks", order("default", "shipped"))
    eventually(lambda: tags(world, "shipped") == {"v0": early.digest, "v1": image.digest}, "the rest", ARRIVED_S)
    assert world.refused() == [], "a function lacks a right that it needs"


def order(target: str, namespace: str) -> dict[str, Any]:
    return {"source_namespace": "made", "target_instance": target, "target_namespace": namespace}


def rule(world: World, name: str, target: str, namespace: str) -> str:
    """Its id."""
    return str(world.here("POST", "/sync-rules", {"name": name, **order(target, namespace)})["id"])


def tags(world: World, namespace: str) -> dict[str, str]:
    answer = world.ask("GET", f"/instances/default/namespaces/{namespace}/repositories/app/tags")
    return {tag["tag"]: tag["digest"] for tag in answer.json()["items"]} if answer.status_code == 200 else {}


def arrived(world: World, rule_id: str) -> list[Any]:
    """What became of the images of its only task, once that has ended."""

    def ended() -> list[Any]:
        tasks = world.here("GET", "/sync-tasks", rule=rule_id)["items"]
        return tasks if [task["state"] for task in tasks] == ["succeeded"] else []

    (task,) = eventually(ended, f"the end of the task of rule {rule_id}", ARRIVED_S)
    items: list[Any] = world.here("GET", f"/tasks/{task['id']}/items")["items"]
    return items
