"""P4: a due time begins one run, whoever looks, and only where one may begin."""

from __future__ import annotations

import contextlib
import threading
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Unavailable
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.retention.handlers import fire_schedules
from chalicelib.retention.service import Retention
from tests.background import run_background, run_tasks
from tests.faults.ports import FAIL_AFTER, FAIL_BEFORE, Fault, faulty, lagging_indexes
from tests.faults.turns import CRASH_AFTER, Crashed, Worker
from tests.stacks import FrozenClock, with_table

from .shelf import Shelf

HOUR = 3600


def schedule(shelf: Shelf, cron: str = "0 * * * *") -> dict[str, Any]:
    order = {"schedule": {"cron": cron, "timezone": "UTC"}, "acknowledged": True}
    answer = shelf.api().put(shelf.path, order)
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def runs(shelf: Shelf) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shelf.api().get(f"{shelf.path}/runs").json()["items"]
    return found


@pytest.fixture
def due(shelf: Shelf, clock: FrozenClock) -> Shelf:
    """A shelf whose hour has come."""
    shelf.push("v1")
    shelf.push("v2")
    shelf.rule("**", 1)
    schedule(shelf)
    clock.advance(HOUR)
    return shelf


def test_a_due_schedule_runs_and_says_so(due: Shelf) -> None:
    """P4, P5, G5"""
    fire_schedules(due.stack)
    run_tasks(due.stack)
    (run,) = runs(due)
    assert (run["trigger"], run["state"], run["deleted"]) == ("schedule", "succeeded", 1)
    assert run["due_at"] == "2026-01-31T09:00:00.000000Z"
    assert due.tags() == {"v2"}
    events = due.api().get("/instances/ci/audit-events", object_type="retention").json()["items"]
    told = [(event["action"], event["user"], event["object"].split(":")[0]) for event in events]
    assert sorted(told) == [
        ("edit", "owner", ""),
        ("finish", "system", f"run {run['id']}"),
        ("run", "system", f"run {run['id']}"),
    ]


def test_before_its_time_nothing_runs(due: Shelf, clock: FrozenClock) -> None:
    """P4"""
    fire_schedules(due.stack)
    run_tasks(due.stack)
    clock.advance(HOUR / 2)
    fire_schedules(due.stack)
    assert len(runs(due)) == 1
    clock.advance(HOUR / 2)
    fire_schedules(due.stack)
    assert len(runs(due)) == 2


def test_what_was_missed_is_made_up_for_by_one_run(due: Shelf, clock: FrozenClock) -> None:
    """P4"""
    clock.advance(50 * HOUR)
    for _ in range(3):
        fire_schedules(due.stack)
        run_tasks(due.stack)
    assert len(runs(due)) == 1
    assert due.api().get(due.path).json()["next_runs"][0] == "2026-02-02T12:00:00.000000Z"


def test_many_hosts_that_look_at_once_begin_one_run(due: Shelf, clock: FrozenClock) -> None:
    """P4: eight threads, twenty due times."""
    for number in range(20):
        barrier = threading.Barrier(8)

        def look(barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            fire_schedules(due.stack)

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        run_tasks(due.stack)
        assert len(runs(due)) == number + 1
        clock.advance(HOUR)
    assert len({run["due_at"] for run in runs(due)}) == 20


@pytest.mark.parametrize("fault", [FAIL_BEFORE, FAIL_AFTER, CRASH_AFTER], ids=["before", "after", "crash"])
def test_interrupted_at_any_call_the_due_time_has_one_run(due: Shelf, clock: FrozenClock, fault: Fault) -> None:
    """P4"""
    for call in range(1, 60):
        before = len(due.stack.table.query(keys.policies_partition(due.namespace.id), prefix="RUN#").items)
        worker = Worker(plan={call: fault})
        ports: Stack = faulty(due.stack, worker)
        with contextlib.suppress(Crashed, Unavailable):
            fire_schedules(ports)
        fire_schedules(due.stack)
        clock.advance(61)
        run_background(due.stack)
        after = due.stack.table.query(keys.policies_partition(due.namespace.id), prefix="RUN#").items
        assert len(after) == before + 1
        clock.advance(HOUR)
        if len(worker.calls) < call:
            return
    raise AssertionError("a look has fewer calls than that")


def test_an_index_that_lags_begins_no_second_run(due: Shelf) -> None:
    """P4"""
    lagging = with_table(due.stack, lagging_indexes(due.stack.table))
    for _ in range(3):
        fire_schedules(lagging)
        fire_schedules(due.stack)
        run_tasks(due.stack)
    assert len(runs(due)) == 1


def test_a_run_under_way_is_not_joined_by_another(due: Shelf, clock: FrozenClock) -> None:
    """P4: neither by the schedule nor by hand; a dry run may."""
    fire_schedules(due.stack)
    clock.advance(HOUR)
    fire_schedules(due.stack)
    assert len(runs(due)) == 1
    answer = due.api().post(f"{due.path}/runs", {"acknowledged": True})
    assert (answer.status, answer.code) == (409, "CONFLICT")
    assert due.api().post(f"{due.path}/runs", {"dry_run": True}).status == 202
    run_tasks(due.stack)
    clock.advance(HOUR)
    fire_schedules(due.stack)
    assert len(runs(due)) == 3


def test_a_frozen_instance_runs_nothing_and_goes_on_when_it_is_renewed(due: Shelf, clock: FrozenClock) -> None:
    """P4, I6"""
    instances = Instances(due.stack)
    now = clock.now()
    frozen = instances.change(instances.load(due.library.instance.id), expires_at=now - timedelta(seconds=1))
    fire_schedules(due.stack)
    renewed = instances.change(frozen, expires_at=now + timedelta(days=30))
    assert instances.state(renewed) == "running"
    fire_schedules(due.stack)
    assert runs(due) == []
    clock.advance(HOUR)
    fire_schedules(due.stack)
    assert len(runs(due)) == 1


def test_a_namespace_in_the_bin_runs_nothing(due: Shelf) -> None:
    """P4, X1"""
    assert due.api().delete("/instances/ci/namespaces/library", confirm="library").status == 202
    run_tasks(due.stack)
    namespace_id = next(
        row["record"]["id"]
        for row in due.stack.table.query(keys.bin_partition(due.library.instance.id)).items
        if row["kind"] == "namespace"
    )
    fire_schedules(due.stack)
    row = due.stack.table.get(keys.retention(namespace_id))
    assert row is not None
    assert (row["run"], row["next_at"]) == ("", "2026-01-31T10:00:00.000000Z")


def test_a_schedule_that_is_ended_or_moved_no_longer_fires_at_its_old_time(due: Shelf, clock: FrozenClock) -> None:
    """P4"""
    assert due.api().put(due.path, {"schedule": None}).json()["next_runs"] == []
    fire_schedules(due.stack)
    assert runs(due) == []
    schedule(due, "30 * * * *")
    fire_schedules(due.stack)
    assert runs(due) == []
    clock.advance(HOUR)
    fire_schedules(due.stack)
    assert len(runs(due)) == 1


def test_an_edit_that_meets_a_run_loses_neither(due: Shelf) -> None:
    """P4: each is one write at the version that was seen."""
    fire_schedules(due.stack)
    before = Retention(due.stack).policy(due.namespace)
    body = {"repositories": "app", "tags": "w*", "keep_last": 3, "acknowledged": True}
    assert due.api().post(f"{due.path}/rules", body).status == 201
    after = Retention(due.stack).policy(due.namespace)
    assert (after.run, after.next_at, after.version) == (before.run, before.next_at, before.version + 1)
    assert len(after.rules) == 2
