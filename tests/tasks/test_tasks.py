"""Background work in bounded steps: doubled, lost, interrupted, cancelled and retried."""

from __future__ import annotations

import pytest

from chalicelib.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.messages import ContinueTask
from chalicelib.ports.stack import Stack
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


def test_a_task_cancelled_during_a_step_stays_cancelled(stack: Stack, tasks: Tasks) -> None:
    def cancelled_meanwhile(stack: Stack, task: Task) -> Step:
        tasks.cancel(tasks.get(INSTANCE, task.id))
        return Step({"number": 1})

    task = made(stack)
    assert tasks.carry_out(INSTANCE, task.id, {"deletion": cancelled_meanwhile}) == []
    assert tasks.get(INSTANCE, task.id).state == "cancelled"


def test_what_cannot_be_stopped_half_way_is_not(stack: Stack, tasks: Tasks) -> None:
    with pytest.raises(Conflict):
        tasks.cancel(made(stack, cancellable=False))


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
