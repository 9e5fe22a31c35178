"""Y3, Y5 across services: a registry elsewhere as the target of rules and tasks, also while it is down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib.kernel.names import RepositoryName
from chalicelib.ports.stack import Stack
from chalicelib.remotes import service as remotes
from chalicelib.sync import rules
from chalicelib.sync.models import NewSyncRule
from chalicelib.sync.service import Sync
from chalicelib.sync.steps import step
from chalicelib.tasks.service import Tasks
from tests.background import run_background
from tests.copying.served import LOGIN, House, house
from tests.registry.library import Library
from tests.registry.test_protocol_sockets import Served
from tests.stacks import FrozenClock, embedded_stack

from .estate import Estate

THERE = RepositoryName("shelf/app")
DAY_S = 86_400


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remotes, "LONGEST_PAUSE_S", 0.0)


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path / "here", clock, allow_private_addresses=True) as opened:
        yield opened


@pytest.fixture
def far(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "far") as opened:
        yield opened


@pytest.fixture
def estate(stack: Stack, far: House) -> Estate:
    opened = Estate.opened(stack)
    remote(opened, far)
    return opened


def remote(estate: Estate, far: House, **more: Any) -> dict[str, Any]:
    address = f"http://127.0.0.1:{far.server.address[1]}"
    login = {"username": LOGIN.username, "password": LOGIN.password}
    answer = estate.api.post(f"{estate.path}/remotes", {"name": "far", "address": address, **login, **more})
    assert answer.status == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def rule(estate: Estate, **more: Any) -> dict[str, Any]:
    return estate.rule(target_instance="far", target_namespace="shelf", **more)


def goes_down(far: House) -> None:
    far.server.stop()
    far.server.socket.close()


def comes_back(far: House) -> None:
    far.server = Served(far.stack, far.server.address[1])


def settle(estate: Estate, clock: FrozenClock, rounds: int = 1, *, seconds: float = 61) -> None:
    estate.events()
    for _ in range(rounds):
        clock.advance(seconds)
        run_background(estate.stack)


def test_image_goes_to_a_registry_elsewhere_and_a_second_time_nothing_moves(estate: Estate, far: House) -> None:
    """Y4, Y5"""
    made = rule(estate)
    assert (made["target_kind"], made["target_name"], made["problem"]) == ("remote", "far", "")
    digest = estate.push("v1", b"layer" * 1000)
    estate.work()
    assert far.shop(THERE).digest("v1") == digest
    assert far.shop(THERE).layers("v1") == [b"layer" * 1000]
    (record,) = estate.records()
    assert (record["verdict"], record["size"], record["skipped"]) == ("copied", 5002, 0)
    assert estate.tasks()[0]["progress"] == {"done": 1, "total": 1, "bytes": 5002}
    estate.task(target_instance="far", target_namespace="shelf")
    estate.work()
    (again,) = estate.tasks(rule="manual")
    assert (again["counts"], again["progress"]["bytes"]) == ({"unchanged": 1}, 0)


def test_what_came_by_synchronisation_goes_no_further_there(estate: Estate, far: House) -> None:
    """Y2 cannot see rules of other services: the push says what it is."""
    order: dict[str, Any] = {"source_namespace": "shelf", "target_namespace": "library"}
    order["target_instance"] = far.instance.id
    Sync(far.stack).create(far.instance, NewSyncRule(name="on", **order), "somebody")
    rule(estate)
    estate.push("v1", b"one")
    estate.work()
    Library(far.stack, far.instance).handle_events()
    assert far.shop(THERE).digest("v1")
    assert Tasks(far.stack).list(far.instance.id, "sync", None, None, 10).items == ()


def test_target_that_was_down_has_everything_once_and_the_newest_of_what_overtook(
    estate: Estate, far: House, clock: FrozenClock
) -> None:
    """Y5: two pushes to one tag while nobody answered."""
    rule(estate, override=True)
    goes_down(far)
    estate.push("v1", b"older")
    newest, other = estate.push("v1", b"newest"), estate.push("v2", b"another")
    estate.work()
    assert {task["state"] for task in estate.tasks()} == {"running"}
    assert {task["waits_for"] for task in estate.tasks()} == {"127.0.0.1 takes no connection"}
    settle(estate, clock, 4)
    comes_back(far)
    settle(estate, clock, 12)
    assert [(task["state"], task["waits_for"]) for task in estate.tasks()] == [("succeeded", "")] * 3
    there = far.shop(THERE)
    assert (there.digest("v1"), there.digest("v2")) == (newest, other)
    history = far.stack.table.query(f"REPO#{there.tag('v1').repository_id}", prefix="HISTORY#v1#").items
    assert [line["digest"] for line in history] == [newest], "it came once, in the right version"


def test_target_that_stays_down_is_given_up_after_a_day_and_a_retry_brings_what_is_missing(
    estate: Estate, far: House, clock: FrozenClock
) -> None:
    """Y5"""
    rule(estate)
    goes_down(far)
    digest = estate.push("v1", b"one")
    estate.work()
    settle(estate, clock, 2, seconds=DAY_S)
    (task,) = estate.tasks()
    assert (task["state"], task["waits_for"], task["counts"]) == ("failed", "", {"failed": 1})
    assert task["error"] == "1 image could not be brought; see its items"
    assert estate.became() == {"dev/app:v1": ("failed", "unavailable")}
    comes_back(far)
    assert estate.api.post(f"{estate.path}/tasks/{task['id']}/retry").status == 200
    estate.work()
    (task,) = estate.tasks()
    assert (task["state"], task["error"], task["counts"]) == ("succeeded", "", {"copied": 1})
    assert task["progress"]["done"] == 1
    assert far.shop(THERE).digest("v1") == digest


def test_task_that_waits_can_be_cancelled(estate: Estate, far: House, clock: FrozenClock) -> None:
    rule(estate)
    goes_down(far)
    estate.push("v1", b"one")
    estate.work()
    (task,) = estate.tasks()
    cancelled = estate.api.post(f"{estate.path}/tasks/{task['id']}/cancel").json()
    assert (cancelled["state"], cancelled["waits_for"]) == ("cancelled", "")
    comes_back(far)
    settle(estate, clock, 12)
    assert estate.tasks()[0]["state"] == "cancelled"


def test_login_that_is_not_taken_fails_each_image_and_is_shown_nowhere(estate: Estate, far: House) -> None:
    """The password stands in no row, no task and no answer."""
    secret = "not-the-password-there"
    made = estate.api.patch(f"{estate.path}/remotes/far", {"password": secret}).json()
    assert made["has_password"]
    rule(estate)
    estate.push("v1", b"one")
    estate.work()
    assert estate.tasks()[0]["state"] == "failed"
    (record,) = estate.records()
    assert (record["verdict"], record["reason"]) == ("failed", "login_refused")
    tried = estate.api.post(f"{estate.path}/remotes/far/test").json()
    assert (tried["result"], tried["message"]) == (
        "denied",
        "127.0.0.1:" + made["address"].rpartition(":")[2] + " does not take this login",
    )
    rows = estate.stack.table.query(f"INSTANCE#{estate.instance.id}", limit=100).items
    rows += estate.stack.table.query(f"TASKS#{estate.instance.id}", limit=100).items
    assert secret not in repr(rows)


def test_remote_is_tried_with_the_login_that_it_has(estate: Estate, far: House) -> None:
    path = f"{estate.path}/remotes/far/test"
    assert estate.api.post(path).json()["result"] == "ok"
    goes_down(far)
    assert estate.api.post(path).json()["result"] == "unreachable"
    comes_back(far)


def test_bandwidth_is_kept(estate: Estate, far: House) -> None:
    """Half a second's bytes beyond the first second's take half a second."""
    rule(estate, bandwidth=100_000)
    estate.push("v1", b"x" * 150_000)
    begun = time.monotonic()
    estate.work()
    assert far.shop(THERE).layers("v1") == [b"x" * 150_000]
    assert time.monotonic() - begun > 0.4


def test_large_layer_goes_on_in_the_next_step_where_the_one_before_had_no_time_left(
    estate: Estate, far: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y5: no byte is sent twice, and the task says how far it has come."""
    monkeypatch.setattr(rules, "MOST_PIECE_BYTES", 256 * 1024)
    rule(estate, bandwidth=400_000)
    size = 700_000
    digest = estate.push("v1", b"x" * size)
    estate.events()
    (task,) = estate.tasks()
    sofar: list[int] = []
    while task["state"] in ("queued", "running") and len(sofar) < 50:
        Tasks(estate.stack).carry_out(estate.instance.id, task["id"], {"sync": partial(step, step_s=0.2)})
        task = estate.api.get(f"{estate.path}/tasks/{task['id']}").json()
        sofar.append(task["progress"]["bytes"])
    assert task["state"] == "succeeded"
    assert len(sofar) > 1
    assert sofar == sorted(sofar)
    assert sofar[0] < sofar[-1] == size + 2
    (record,) = estate.records(task)
    assert (record["verdict"], record["size"]) == ("copied", size + 2)
    assert far.shop(THERE).digest("v1") == digest
