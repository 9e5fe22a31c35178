"""Background work in bounded steps: doubled, lost, interrupted, cancelled and retried."""

from __future__ import annotations

import pytest

from chalicelib.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.messages import ContinueTask
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Update
from chalicelib.tasks.models import Step, Task, TaskItem
from chalicelib.tasks.service import Tasks
from tests.stacks import FrozenClock

INSTANCE = "01J00000000000000000000000"


@pytest.fixture
def tasks(stack: Stack) -> Tasks:
    return Tasks(stack)


def made(stack: Stack, **more: object) -> Task:
    task, write = Tasks(stack).create(INSTANCE, "deletion", {"namespace": "library"}, "ann", **more)  # type: ignore[arg-type]
    stack.table.transact([write])
    return task


def three_steps(stack: Stack, task: Task) -> Step:
    """Deals with one thing a step."""
    number = int(task.work.get("number", 0)) + 1
    item = TaskItem(id=f"{number}", time=stack.clock.now(), tag=f"v{number}", verdict="deleted", size=10)
    return Step({"number": number} if number < 3 else None, done=1, bytes=10, total=3, items=[item])


def test_a_task_goes_from_message_to_message_until_it_is_done(stack: Stack, tasks: Tasks) -> None:
    task = made(stack)
    messages = [ContinueTask(instance_id=INSTANCE, task_id=task.id)]
    for _ in range(3):
        (message,) = messages
        messages = tasks.carry_out(message.instance_id, message.task_id, {"deletion": three_steps})
    ended = tasks.get(INSTANCE, task.id)
    assert (messages, ended.state, ended.done, ended.total, ended.bytes) == ([], "succeeded", 3, 3, 30)
    assert [item.tag for item in tasks.items(ended, "", None, 50).items] == ["v1", "v2", "v3"]
    assert tasks.overdue() == []


def test_a_message_that_comes_twice_while_a_step_runs_does_nothing(stack: Stack, tasks: Tasks) -> None:
    task, seen = made(stack), []

    def step(stack: Stack, task: Task) -> Step:
        seen.append(tasks.carry_out(INSTANCE, task.id, {"deletion": three_steps}))
        return Step(None)

    tasks.carry_out(INSTANCE, task.id, {"deletion": step})
    assert seen == [[]]
    assert tasks.carry_out(INSTANCE, task.id, {"deletion": three_steps}) == []
    assert tasks.get(INSTANCE, task.id).done == 0


def test_a_lost_message_is_sent_again(stack: Stack, tasks: Tasks, clock: FrozenClock) -> None:
    task = made(stack)
    assert tasks.overdue() == []
    clock.advance(61)
    (message,) = tasks.overdue()
    assert (message.instance_id, message.task_id) == (INSTANCE, task.id)


def test_a_step_whose_process_died_is_taken_up_again_and_given_up_in_the_end(
    stack: Stack, tasks: Tasks, clock: FrozenClock
) -> None:
    class Killed(BaseException):
        pass

    def die(stack: Stack, task: Task) -> Step:
        raise Killed

    task = made(stack)
    for _ in range(20):
        try:
            tasks.carry_out(INSTANCE, task.id, {"deletion": die})
        except Killed:
            assert tasks.carry_out(INSTANCE, task.id, {"deletion": three_steps}) == []
        clock.advance(301)
    ended = tasks.get(INSTANCE, task.id)
    assert ended.state == "failed"
    assert ended.error
    again = tasks.retry(ended)
    assert tasks.carry_out(INSTANCE, again.id, {"deletion": three_steps}) != []


def test_what_a_worker_refuses_ends_the_task_and_what_it_stumbles_over_is_tried_again(
    stack: Stack, tasks: Tasks, clock: FrozenClock
) -> None:
    def refuse(stack: Stack, task: Task) -> Step:
        raise NotFound("the repository is gone")

    def stumble(stack: Stack, task: Task) -> Step:
        raise Unavailable

    refused, stumbling = made(stack), made(stack)
    tasks.carry_out(INSTANCE, refused.id, {"deletion": refuse})
    assert (tasks.get(INSTANCE, refused.id).state, tasks.get(INSTANCE, refused.id).error) == (
        "failed",
        "the repository is gone",
    )
    for attempt in range(8):
        assert tasks.get(INSTANCE, stumbling.id).state in ("queued", "running"), attempt
        with pytest.raises(Unavailable):
            tasks.carry_out(INSTANCE, stumbling.id, {"deletion": stumble})
    assert tasks.get(INSTANCE, stumbling.id).state == "failed"


def test_a_cancelled_task_takes_no_further_step_and_retried_it_goes_on_where_it_stopped(
    stack: Stack, tasks: Tasks
) -> None:
    task = made(stack)
    tasks.carry_out(INSTANCE, task.id, {"deletion": three_steps})
    tasks.cancel(tasks.get(INSTANCE, task.id))
    assert tasks.carry_out(INSTANCE, task.id, {"deletion": three_steps}) == []
    with pytest.raises(Conflict):
        tasks.cancel(tasks.get(INSTANCE, task.id))
    tasks.retry(tasks.get(INSTANCE, task.id))
    while tasks.carry_out(INSTANCE, task.id, {"deletion": three_steps}):
        pass
    assert (tasks.get(INSTANCE, task.id).state, tasks.get(INSTANCE, task.id).done) == ("succeeded", 3)
    with pytest.raises(Conflict):
        tasks.retry(tasks.get(INSTANCE, task.id))


def one_more(stack: Stack, task: Task, verdict: str = "deleted") -> Step:
    item = TaskItem(id="1", time=stack.clock.now(), tag="v1", verdict=verdict)
    return Step({"number": 1}, done=1, counts={verdict: 1}, items=[item])


def verdicts(tasks: Tasks, task: Task) -> list[str]:
    return [item.verdict for item in tasks.items(task, "", None, 500).items]


def test_a_task_cancelled_during_a_step_stays_cancelled_and_tells_what_the_step_did(stack: Stack, tasks: Tasks) -> None:
    """P5"""

    def cancelled_meanwhile(stack: Stack, task: Task) -> Step:
        assert tasks.cancel(tasks.get(INSTANCE, task.id)).state == "cancelled"
        return one_more(stack, task)

    task = made(stack)
    assert tasks.carry_out(INSTANCE, task.id, {"deletion": cancelled_meanwhile}) == []
    ended = tasks.get(INSTANCE, task.id)
    assert (ended.state, ended.done, ended.counts, verdicts(tasks, ended)) == (
        "cancelled",
        1,
        {"deleted": 1},
        ["deleted"],
    )
    tasks.retry(ended)
    while tasks.carry_out(INSTANCE, task.id, {"deletion": three_steps}):
        pass
    assert (tasks.get(INSTANCE, task.id).state, tasks.get(INSTANCE, task.id).done) == ("succeeded", 3)


def test_a_task_retried_while_the_step_still_runs_that_it_was_cancelled_in_has_one_step_at_a_time(
    stack: Stack, tasks: Tasks
) -> None:
    def retried_meanwhile(stack: Stack, task: Task) -> Step:
        tasks.retry(tasks.cancel(tasks.get(INSTANCE, task.id)))
        assert tasks.carry_out(INSTANCE, task.id, {"deletion": three_steps}) == []
        return one_more(stack, task)

    task = made(stack)
    assert len(tasks.carry_out(INSTANCE, task.id, {"deletion": retried_meanwhile})) == 1
    assert tasks.get(INSTANCE, task.id).done == 1
    while tasks.carry_out(INSTANCE, task.id, {"deletion": three_steps}):
        pass
    assert (tasks.get(INSTANCE, task.id).state, tasks.get(INSTANCE, task.id).done) == ("succeeded", 3)


@pytest.mark.parametrize("items", [1, 250])
def test_a_step_that_sleeps_past_its_claim_writes_nothing_once_another_took_it_up(
    stack: Stack, tasks: Tasks, clock: FrozenClock, items: int
) -> None:
    """P5: neither what it did thing by thing, nor how many: the other tells of them."""

    def step(verdict: str) -> Step:
        told = [TaskItem(id=f"{n:03}", time=clock.now(), verdict=verdict) for n in range(items)]
        return Step({"number": 1}, done=items, counts={verdict: items}, items=told)

    def sleep(stack: Stack, task: Task) -> Step:
        clock.advance(301)
        (lost,) = tasks.overdue()
        assert len(tasks.carry_out(INSTANCE, lost.task_id, {"deletion": lambda stack, task: step("deleted")})) == 1
        return step("missing")

    task = made(stack)
    assert tasks.carry_out(INSTANCE, task.id, {"deletion": sleep}) == []
    seen = tasks.get(INSTANCE, task.id)
    assert (seen.done, seen.counts, seen.state) == (items, {"deleted": items}, "running")
    assert verdicts(tasks, seen) == ["deleted"] * items


def test_a_task_that_did_not_do_all_is_shown_failed_and_its_retry_does_the_rest(stack: Stack, tasks: Tasks) -> None:
    """Y5, S2: the retry looks up what failed, does it, and corrects what was counted."""

    def copy(stack: Stack, task: Task) -> Step:
        now, failed = stack.clock.now(), [item.id for item in tasks.items(task, "failed", None, 50).items]
        if not failed:
            told = [TaskItem(id=n, time=now, verdict=verdict) for n, verdict in (("a", "copied"), ("b", "failed"))]
            return Step({"again": True}, done=2, counts={"copied": 1, "failed": 1}, items=told, failed="1 of 2 failed")
        assert task.work == {"again": True}
        told = [TaskItem(id=n, time=now, verdict="copied") for n in failed]
        return Step(None, counts={"copied": len(failed), "failed": -len(failed)}, items=told)

    task = made(stack)
    assert tasks.carry_out(INSTANCE, task.id, {"deletion": copy}) == []
    seen = tasks.get(INSTANCE, task.id)
    assert (seen.state, seen.error, seen.counts) == ("failed", "1 of 2 failed", {"copied": 1, "failed": 1})
    tasks.retry(seen)
    assert tasks.carry_out(INSTANCE, task.id, {"deletion": copy}) == []
    seen = tasks.get(INSTANCE, task.id)
    assert (seen.state, seen.error, seen.counts, seen.done) == ("succeeded", "", {"copied": 2}, 2)
    assert verdicts(tasks, seen) == ["copied", "copied"]


def untold(stack: Stack) -> list[str]:
    pages = [stack.table.query(partition, index="i2") for partition in keys.untold_partitions()]
    return [row["id"] for page in pages for row in page.items]


def test_the_end_of_a_task_is_to_be_told_once(stack: Stack, tasks: Tasks) -> None:
    """X5: also of one that was cancelled while a step ran."""
    going, ended, cancelled = made(stack), made(stack), made(stack)

    def cancel(stack: Stack, task: Task) -> Step:
        tasks.cancel(tasks.get(INSTANCE, task.id))
        assert task.id in untold(stack)
        told = Update(keys.task(INSTANCE, task.id), remove=("i2pk", "i2sk"))
        stack.table.update(told)
        return one_more(stack, task)

    tasks.carry_out(INSTANCE, ended.id, {"deletion": lambda stack, task: Step(None)})
    tasks.carry_out(INSTANCE, cancelled.id, {"deletion": cancel})
    assert untold(stack) == [ended.id]
    assert tasks.get(INSTANCE, cancelled.id).done == 1
    assert going.id not in untold(stack)


def test_finished_tasks_go_after_ninety_days_and_those_that_left_something_half_done_stay(
    stack: Stack, tasks: Tasks, clock: FrozenClock
) -> None:
    def refuse(stack: Stack, task: Task) -> Step:
        raise NotFound("it is gone")

    done, half_done, waiting = made(stack), made(stack, cancellable=False), made(stack)
    while tasks.carry_out(INSTANCE, done.id, {"deletion": three_steps}):
        pass
    tasks.carry_out(INSTANCE, half_done.id, {"deletion": refuse})
    clock.advance(89 * 86_400)
    later = made(stack)
    while tasks.carry_out(INSTANCE, later.id, {"deletion": three_steps}):
        pass
    assert tasks.get(INSTANCE, done.id).state == "succeeded"
    clock.advance(2 * 86_400)
    for _ in range(3):
        other = made(stack)
        while tasks.carry_out(INSTANCE, other.id, {"deletion": three_steps}):
            pass
    with pytest.raises(NotFound):
        tasks.get(INSTANCE, done.id)
    assert verdicts(tasks, done) == []
    assert tasks.get(INSTANCE, half_done.id).state == "failed"
    assert tasks.get(INSTANCE, waiting.id).state == "queued"
    assert len(verdicts(tasks, later)) == 3


def test_what_cannot_be_stopped_half_way_is_not(stack: Stack, tasks: Tasks) -> None:
    task = made(stack, cancellable=False)
    with pytest.raises(Conflict, match="cannot be stopped half-way"):
        tasks.cancel(task)
    while tasks.carry_out(INSTANCE, task.id, {"deletion": three_steps}):
        pass
    with pytest.raises(Conflict, match="is finished"):
        tasks.cancel(tasks.get(INSTANCE, task.id))


def test_a_task_that_waits_is_continued_when_its_time_has_come(stack: Stack, tasks: Tasks, clock: FrozenClock) -> None:
    task = made(stack)
    assert tasks.carry_out(INSTANCE, task.id, {"deletion": lambda stack, task: Step({}, wait_s=3600)}) == []
    clock.advance(3500)
    assert tasks.overdue() == []
    clock.advance(101)
    assert len(tasks.overdue()) == 1


def test_tasks_are_listed_newest_first_by_kind_and_state(stack: Stack, tasks: Tasks) -> None:
    ids = sorted(made(stack).id for _ in range(5))
    tasks.cancel(tasks.get(INSTANCE, ids[1]))
    first = tasks.list(INSTANCE, None, None, None, 2)
    second = tasks.list(INSTANCE, None, None, first.next, 200)
    assert [task.id for task in (*first.items, *second.items)] == ids[::-1]
    assert second.next is None
    assert [task.id for task in tasks.list(INSTANCE, "deletion", "cancelled", None, 2).items] == [ids[1]]
    assert tasks.list(INSTANCE, "scan", None, None, 2).items == ()
    assert tasks.list(new_id(), None, None, None, 2).items == ()
    with pytest.raises(Invalid):
        tasks.list(INSTANCE, None, None, "x", 2)


def test_tasks_are_found_by_what_they_are_about_and_listed_from_either_end(stack: Stack, tasks: Tasks) -> None:
    """C1"""
    # What is made in one millisecond comes in any order.
    made_of = {}
    for name in ("web", "api", "webhooks"):
        task, creation = tasks.create(INSTANCE, "scan", {"namespace": name}, "alice")
        stack.table.transact([creation])
        made_of[task.id] = name
    oldest_first = [made_of[one] for one in sorted(made_of) if "web" in made_of[one]]
    for sort, wanted in (("created_at", oldest_first), ("-created_at", oldest_first[::-1])):
        found = tasks.list(INSTANCE, None, None, None, 5, search="web", sort=sort).items
        assert [one.subject["namespace"] for one in found] == wanted
    assert [one.id for one in tasks.list(INSTANCE, None, None, None, 5, search=task.id).items] == [task.id]


@pytest.mark.parametrize("cursor", ["x" * 513, "é" * 300, "a\nb"])
def test_what_cannot_be_where_a_list_of_items_goes_on_is_refused(stack: Stack, tasks: Tasks, cursor: str) -> None:
    """DynamoDB takes no call with a longer key."""
    task = made(stack)
    assert tasks.items(task, "", "x" * 512, 5).items == ()
    with pytest.raises(Invalid):
        tasks.items(task, "", cursor, 5)


def test_anothers_task_is_not_found(stack: Stack, tasks: Tasks) -> None:
    task = made(stack)
    for instance, wanted in ((new_id(), task.id), (INSTANCE, new_id()), (INSTANCE, "../x")):
        with pytest.raises(NotFound):
            tasks.get(instance, wanted)


def test_removed_tasks_leave_nothing_behind(stack: Stack, tasks: Tasks) -> None:
    kept, gone = made(stack), made(stack)
    tasks.carry_out(INSTANCE, gone.id, {"deletion": three_steps})
    while tasks.remove(INSTANCE, 2, keep=kept.id):
        assert tasks.get(INSTANCE, kept.id)
    assert [task.id for task in tasks.list(INSTANCE, None, None, None, 5).items] == [kept.id]
    assert tasks.items(gone, "", None, 5).items == ()
