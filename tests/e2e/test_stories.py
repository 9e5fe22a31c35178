"""What a user and an operator go through, on one machine and on AWS."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.edge.consume import encode
from chalicelib.kernel.messages import ClearDue
from chalicelib.kernel.moment import to_text
from chalicelib.ports import keys
from tests.notifications.receiver import Receiver
from tests.scanning.shelf import DEBIAN
from tests.scanning.vulndb import Packages, make_database

from .conftest import Begun, Client
from .worlds import World, eventually

pytestmark = [pytest.mark.campaign, pytest.mark.usefixtures("begun")]

# From an event to what a consumer makes of it.
SOON_S = 150.0


def test_pushed_image_is_pullable_shown_counted_and_told_of(world: World, client: Client, receiver: Receiver) -> None:
    """R3 N4 G1 X5: the push's event came to the function of events, and through all its handlers."""
    image = client.push("library/app:v1")

    assert client.pulled("library/app:v1") == image.body
    (tag,) = world.here("GET", "/namespaces/library/repositories/app/tags")["items"]
    assert (tag["tag"], tag["digest"], tag["platforms"]) == ("v1", image.digest, ["linux/arm64"])
    event = eventually(lambda: told(receiver, "image.pushed", image.digest), "the webhook of a push", SOON_S)
    assert event["data"]["repository"] == "library/app"
    (entry,) = eventually(lambda: entries(world, "library/app", "push"), "the push in the audit record", SOON_S)
    assert (entry["user"], entry["result"]) == ("admin", "succeeded")
    eventually(lambda: not pushes_left(world), "the push object goes, settled", SOON_S)


def test_pushed_image_is_scanned_and_judged_again_by_a_new_database(
    world: World, client: Client, tmp_path: Path
) -> None:
    """S1 S2: on AWS by the functions that listen to scans and rescans, with a database that the operator brought."""
    world.here("POST", "/namespaces", {"name": "scanned", "auto_create_repository": True, "scan_on_push": True})
    first: Packages = {"openssl": {"CVE-2024-0001": {"FixedVersion": "3.0.13-1", "Severity": 4}}}
    world.crs("vulndb", "import", str(make_database(tmp_path / "first", first, updated_at=_minutes_ago(20))), "--force")

    image = client.push("scanned/app:v1", client.image(DEBIAN))

    def found() -> set[str]:
        path = f"/namespaces/scanned/repositories/app/manifests/{image.digest}/vulnerabilities"
        answer = world.ask("GET", f"/instances/default{path}")
        return {one["id"] for one in answer.json()["items"]} if answer.status_code == 200 else set()

    eventually(lambda: found() == {"CVE-2024-0001"}, "what the first database knows", SOON_S)
    then = {**first, "zlib1g": {"CVE-2024-0009": {"Severity": 4}}}
    world.crs("vulndb", "import", str(make_database(tmp_path / "then", then, updated_at=_minutes_ago(10))), "--force")
    eventually(lambda: found() == {"CVE-2024-0001", "CVE-2024-0009"}, "what the next one knows", SOON_S)


def _minutes_ago(minutes: int) -> str:
    return to_text(datetime.now(UTC) - timedelta(minutes=minutes))


def test_immutable_tag_keeps_its_digest(world: World, client: Client) -> None:
    """P1"""
    world.here("POST", "/immutability-rules", {"namespace": "library", "repositories": "fixed", "tags": "v*"})
    image = client.push("library/fixed:v1")

    refused = client.shell.run("crane", "push", client.image().layout, client.name("library/fixed:v1"), fails=True)

    assert "immutable" in refused.lower()
    client.push("library/fixed:v1", image)
    assert client.pulled("library/fixed:v1") == image.body


def test_run_of_retention_deletes_what_no_rule_keeps(world: World, client: Client, receiver: Receiver) -> None:
    """P3: the task goes through the queue of tasks."""
    world.here("POST", "/namespaces", {"name": "kept", "auto_create_repository": True})
    for tag in ("one", "two", "three"):
        client.push(f"kept/app:{tag}")
    rule = {"repositories": "**", "tags": "**", "keep_last": 2, "acknowledged": True}
    world.here("POST", "/namespaces/kept/retention/rules", rule)

    run = world.here("POST", "/namespaces/kept/retention/runs", {"acknowledged": True})

    assert ended(world, run)["counts"] == {"deleted": 1, "kept": 2}
    left = world.here("GET", "/namespaces/kept/repositories/app/tags")["items"]
    assert sorted(tag["tag"] for tag in left) == ["three", "two"]
    items = world.here("GET", f"/tasks/{run['id']}/items")["items"]
    assert {item["tag"]: item["verdict"] for item in items} == {"one": "deleted", "two": "kept", "three": "kept"}
    eventually(lambda: told(receiver, "task.finished", run["id"]), "the webhook of a task's end")


def test_deleted_tag_comes_back_from_the_recycle_bin(world: World, client: Client) -> None:
    """X1"""
    image = client.push("library/back:v1")
    world.here("DELETE", "/namespaces/library/repositories/back/tags/v1")
    assert world.here("GET", "/namespaces/library/repositories/back/tags")["items"] == []
    (entry,) = [one for one in world.here("GET", "/recycle-bin")["items"] if one["digest"] == image.digest]

    world.here("POST", f"/recycle-bin/{entry['id']}/restore")

    assert client.pulled("library/back:v1") == image.body


def test_namespace_goes_in_the_background_and_its_end_is_told(world: World, client: Client, receiver: Receiver) -> None:
    """N2: through the queue of tasks, and by the schedule that announces."""
    world.here("POST", "/namespaces", {"name": "going", "auto_create_repository": True})
    client.push("going/app:v1")

    task = world.here("DELETE", "/namespaces/going", confirm="going")

    ended(world, task)
    assert world.ask("GET", "/instances/default/namespaces/going").status_code == 404
    client.shell.run("crane", "manifest", client.name("going/app:v1"), fails=True)
    eventually(lambda: told(receiver, "namespace.deleted", "going"), "the webhook of a deletion")


def test_schedule_of_retention_starts_runs(world: World, begun: Begun) -> None:
    """P3: by the function that the clock wakes."""

    def runs() -> list[Any]:
        tasks = world.here("GET", "/tasks", kind="retention")["items"]
        return [task for task in tasks if task["trigger"] == "schedule" and task["state"] == "succeeded"]

    assert {run["created_by"] for run in eventually(runs, "a run of the schedule")} == {"system"}
    tags = world.here("GET", "/namespaces/clockwork/repositories/app/tags")["items"]
    assert [tag["tag"] for tag in tags] == ["new"]


def test_message_that_cannot_be_read_is_a_dead_letter_and_holds_up_nobody(world: World) -> None:
    """Of a batch of ten the nine good ones are done with, and the bad one alone is given up after five attempts."""
    good = encode(ClearDue(kind="bin", partition=keys.due_partitions("bin")[0]))
    with world.stack() as stack:
        stack.queues.send("collection", [*[good] * 5, '{"type":"Nobody","id":"poison"}', *[good] * 4])
        stack.queues.send("tasks", ['{"type":"Nobody","id":"poison"}'])

        def dead() -> list[int]:
            return [stack.queues.depth(f"{queue}-dead") for queue in ("collection", "tasks", "webhooks")]

        eventually(lambda: dead() == [1, 1, 0], "two dead letters")
        eventually(lambda: stack.queues.depth("collection") == 0, "the others are done with", SOON_S)
        assert dead() == [1, 1, 0]
    assert "type=Nobody id=poison" in world.crs("dead-letters", "show", "collection")
    world.crs("dead-letters", "drop", "collection", "--yes")
    world.crs("dead-letters", "drop", "tasks", "--yes")


def test_record_is_sealed_and_whole(world: World, begun: Begun) -> None:
    """G1: by the function that seals each minute."""

    def sealed() -> int:
        told = world.crs("audit", "verify", "--instance", "default")
        assert "TAMPERED" not in told
        return max((int(count) for count in re.findall(r"(\d+) entries in \d+ minutes are as sealed", told)), default=0)

    eventually(lambda: sealed() >= begun.recorded, "the first entries of the record are sealed")


def test_bytes_of_what_was_deleted_go_when_its_grace_is_over(world: World, begun: Begun) -> None:
    """R7 X1: bin, condemned, dead, tombstone, gone - by the schedule that sweeps, through the queue of collection."""
    eventually(lambda: not stored(world, begun.doomed.blobs), "the bytes of a deleted image go")
    assert begun.doomed.digest not in {entry["digest"] for entry in world.here("GET", "/recycle-bin")["items"]}


def test_everything_left_is_whole(world: World, client: Client) -> None:
    """R7"""
    client.push("library/last:v1")
    eventually(lambda: not pushes_left(world), "the push object goes, settled", SOON_S)
    assert world.crs("fsck", "--deep").splitlines()[-1] == "clean"
    assert world.refused() == [], "a function lacks a right that it needs"


# What is seen


def told(receiver: Receiver, kind: str, what: str) -> Any:
    """The first event of this kind that speaks of it."""
    return next((event for event in receiver.events if event["type"] == kind and what in str(event)), None)


def entries(world: World, keyword: str, action: str) -> list[Any]:
    found = world.here("GET", "/audit-events", keyword=keyword)["items"]
    return [entry for entry in found if entry["action"] == action]


def ended(world: World, task: Any) -> Any:
    """The task, once it succeeded."""

    def look() -> Any:
        seen = world.here("GET", f"/tasks/{task['id']}")
        assert seen["state"] in ("queued", "running", "succeeded"), seen
        return seen if seen["state"] == "succeeded" else None

    return eventually(look, f"the end of a task of {task['kind']}", SOON_S)


def pushes_left(world: World) -> list[str]:
    return [key for key in objects(world) if "/pushes/" in key]


def stored(world: World, digests: tuple[str, ...]) -> list[str]:
    wanted = [digest.replace(":", "/") for digest in digests]
    return [key for key in objects(world) if any(part in key for part in wanted)]


def objects(world: World) -> list[str]:
    bucket = world.here("GET", "/overview")["bucket"]
    with world.stack() as stack:
        found, cursor = [], None
        while True:
            page = stack.objects(bucket).list("", cursor=cursor)
            found += [one.key for one in page.items]
            if not (cursor := page.next):
                return found
