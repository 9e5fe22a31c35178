"""What a step came to, on DynamoDB's own words, in process: many items, taken over, cancelled meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.kernel.ids import new_id
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Step, Task, TaskItem
from chalicelib.tasks.service import Tasks
from tests.ports_aws.adapters import open_moto_table
from tests.stacks import FrozenClock, embedded_stack, with_table

INSTANCE, MANY = new_id(), 250


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened, open_moto_table(tmp_path) as table:
        yield with_table(opened, table)


def made(stack: Stack) -> Task:
    task, write = Tasks(stack).create(INSTANCE, "retention", {"namespace": "library"}, "ann")
    stack.table.transact([write])
    return task


def many(stack: Stack, verdict: str) -> Step:
    told = [TaskItem(id=f"{n:03}", time=stack.clock.now(), verdict=verdict) for n in range(MANY)]
    return Step({"number": 1}, done=MANY, counts={verdict: MANY}, items=told)


def verdicts(tasks: Tasks, task: Task) -> list[str]:
    return [item.verdict for item in tasks.items(task, "", None, MANY + 1).items]


def test_a_step_that_sleeps_past_its_claim_writes_nothing_once_another_took_it_up(
    stack: Stack, clock: FrozenClock
) -> None:
    """P5"""
    tasks, task = Tasks(stack), made(stack)

    def sleep(stack: Stack, task: Task) -> Step:
        clock.advance(301)
        assert tasks.carry_out(INSTANCE, task.id, {"retention": lambda stack, task: many(stack, "deleted")})
        return many(stack, "missing")

    assert tasks.carry_out(INSTANCE, task.id, {"retention": sleep}) == []
    seen = tasks.get(INSTANCE, task.id)
    assert (seen.counts, verdicts(tasks, seen)) == ({"deleted": MANY}, ["deleted"] * MANY)


def test_a_task_cancelled_during_a_step_tells_what_the_step_did_and_is_told_of_once(stack: Stack) -> None:
    """P5, X5"""
    tasks, task = Tasks(stack), made(stack)

    def cancelled_meanwhile(stack: Stack, task: Task) -> Step:
        tasks.cancel(tasks.get(INSTANCE, task.id))
        return many(stack, "deleted")

    assert tasks.carry_out(INSTANCE, task.id, {"retention": cancelled_meanwhile}) == []
    seen = tasks.get(INSTANCE, task.id)
    assert (seen.state, seen.counts, len(verdicts(tasks, seen))) == ("cancelled", {"deleted": MANY}, MANY)
    untold = [row for shard in keys.untold_partitions() for row in stack.table.query(shard, index="i2").items]
    assert [row["id"] for row in untold] == [task.id]
    assert tasks.retry(seen).state == "queued"
    assert tasks.carry_out(INSTANCE, task.id, {"retention": lambda stack, task: Step(None)}) == []
    assert tasks.get(INSTANCE, task.id).state == "succeeded"
