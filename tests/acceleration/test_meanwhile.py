"""What happens to an image while it is converted, at every boundary of a step: nothing wrong appears, nothing stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.acceleration.converter import CLAIM
from chalicelib.acceleration.models import SOURCE
from chalicelib.acceleration.steps import step
from chalicelib.chain import CHAIN
from chalicelib.collection.service import Fsck
from chalicelib.kernel.names import TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry import handlers
from chalicelib.tasks.models import Task
from chalicelib.tasks.service import Tasks
from tests.acceleration.shelf import APP, BASE, Shelf
from tests.background import run_background
from tests.registry.images import NAME
from tests.stacks import FrozenClock

# plan, starts, ask, wait for the first layer, the second, assemble; a step that has nothing to do comes to nothing.
STEPS = 5


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    return Shelf.opened(stack, acceleration=True)


def begun(shelf: Shelf, steps: int) -> Task:
    """So many steps done of the newest task; layers are converted once they are asked for."""
    shelf.library.handle_events()
    task = shelf.tasks()[0]
    for _ in range(steps):
        task = shelf.step(task.id)
        shelf.convert_layers()
    return task


def overwritten(shelf: Shelf) -> None:
    shelf.push({"srv/newer": "newer"})


def deleted(shelf: Shelf) -> None:
    shelf.library.registry.delete(shelf.library.owner, NAME, TagName("v1"))


def switched_off(shelf: Shelf) -> None:
    assert shelf.api.patch("/instances/ci/namespaces/library", {"acceleration": False}).status == 200


def manifest_deleted(shelf: Shelf) -> None:
    tag = shelf.tag("v1")
    assert tag is not None
    shelf.library.registry.delete(shelf.library.owner, NAME, tag.digest)


def repository_deleted(shelf: Shelf) -> None:
    answer = shelf.api.delete(shelf.library.path(), confirm="app")
    assert answer.status == 204, answer.text


def sound(shelf: Shelf) -> None:
    """A companion is there only beside an original that it was made of, and all that is kept is whole."""
    run_background(shelf.stack)
    shelf.work()
    assert list(Fsck(shelf.stack, deep=True).run()) == []


@pytest.mark.parametrize("steps", range(STEPS))
def test_overwritten_image_gets_the_accelerated_one_of_its_newer_version(shelf: Shelf, steps: int) -> None:
    """A1: what was converted of the earlier version never shows beside the newer one."""
    shelf.push(BASE, APP)
    task = begun(shelf, steps)
    overwritten(shelf)
    ended = shelf.step(task.id) if not task.finished else task
    if not task.finished:
        assert shelf.items(ended) == {"v1": ("skipped", "it was pushed or deleted meanwhile")}
        assert shelf.tag("v1-accelerated") is None
    shelf.work()
    tag, mark = shelf.tag("v1"), shelf.mark()
    assert tag is not None
    assert mark is not None
    assert shelf.document("v1-accelerated")["annotations"][SOURCE] == tag.digest
    assert mark.state == "succeeded"
    sound(shelf)


@pytest.mark.parametrize("change", [deleted, manifest_deleted, repository_deleted])
@pytest.mark.parametrize("steps", range(STEPS))
def test_deleted_image_gets_none(shelf: Shelf, change: Callable[[Shelf], None], steps: int) -> None:
    """A1: and none that was made already stays."""
    shelf.push(BASE, APP)
    task = begun(shelf, steps)
    change(shelf)
    if not task.finished:
        assert shelf.step(task.id).state == "succeeded"
    shelf.work()
    if change is not repository_deleted:
        assert shelf.tag("v1-accelerated") is None
    sound(shelf)


@pytest.mark.parametrize("steps", range(1, STEPS - 1))
def test_image_whose_repository_comes_back_does_not_wait_for_ever(shelf: Shelf, steps: int) -> None:
    """X1, A3: the list says that it was interrupted, and it is accelerated when somebody asks."""
    shelf.push(BASE, APP)
    task = begun(shelf, steps)
    repository_deleted(shelf)
    shelf.step(task.id)
    shelf.work()
    (entry,) = shelf.api.get("/instances/ci/recycle-bin").json()["items"]
    assert shelf.api.post(f"/instances/ci/recycle-bin/{entry['id']}/restore").status in (200, 201)
    mark = shelf.mark()
    assert mark is not None
    assert (mark.state, mark.reason, mark.task) == ("failed", "interrupted", "")
    assert shelf.api.post(shelf.library.path("/tags/v1/accelerate")).status == 202
    shelf.work()
    assert shelf.tag("v1-accelerated") is not None
    sound(shelf)


@pytest.mark.parametrize("steps", range(STEPS - 1))
def test_switched_off_meanwhile_there_is_none(shelf: Shelf, steps: int) -> None:
    """A1."""
    shelf.push(BASE, APP)
    task = begun(shelf, steps)
    switched_off(shelf)
    ended = shelf.step(task.id)
    assert shelf.items(ended) == {"v1": ("skipped", "acceleration was switched off meanwhile")}
    shelf.work()
    assert (shelf.tag("v1-accelerated"), shelf.mark()) == (None, None)
    sound(shelf)


def test_what_was_made_by_then_stays_when_it_is_switched_off(shelf: Shelf) -> None:
    shelf.push(BASE)
    shelf.work()
    switched_off(shelf)
    shelf.work()
    assert shelf.tag("v1-accelerated") is not None


def test_what_was_asked_for_after_it_was_switched_off_stays(shelf: Shelf) -> None:
    """A1: the task of the push comes late, and finds what it no longer is to make."""
    shelf.push(BASE)
    late = begun(shelf, 0)
    switched_off(shelf)
    asked = shelf.api.post(shelf.library.path("/tags/v1/accelerate")).json()["id"]
    for _ in range(STEPS):
        shelf.step(asked)
        shelf.convert_layers()
    assert shelf.items(shelf.task(asked)) == {"v1": ("accelerated", "")}
    assert shelf.items(shelf.step(late.id)) == {"v1": ("skipped", "acceleration was switched off meanwhile")}
    shelf.work()
    mark = shelf.mark()
    assert (shelf.tag("v1-accelerated") is not None, mark and mark.state) == (True, "succeeded")
    sound(shelf)


def test_image_pushed_over_after_it_was_switched_off_has_no_stale_one_beside_it(shelf: Shelf) -> None:
    """A1: it would show what the tag no longer is."""
    shelf.push(BASE)
    shelf.work()
    switched_off(shelf)
    overwritten(shelf)
    shelf.work()
    assert (shelf.tag("v1-accelerated"), shelf.mark()) == (None, None)
    sound(shelf)


def test_image_that_cannot_be_converted_has_no_stale_one_beside_it(shelf: Shelf) -> None:
    shelf.push(BASE)
    shelf.work()
    shelf.push(b"no archive" * 100)
    shelf.work()
    mark = shelf.mark()
    assert mark is not None
    assert mark.state == "failed"
    assert shelf.tag("v1-accelerated") is None


def test_restored_tag_has_its_accelerated_image_again_without_a_conversion(shelf: Shelf) -> None:
    """X1, A1."""
    shelf.push(BASE, APP)
    shelf.work()
    before = shelf.tag("v1-accelerated")
    deleted(shelf)
    assert shelf.tag("v1-accelerated") is None
    entry = next(one for one in shelf.api.get("/instances/ci/recycle-bin").json()["items"] if one["name"] == "v1")
    assert shelf.api.post(f"/instances/ci/recycle-bin/{entry['id']}/restore").status in (200, 201)
    shelf.work()
    after = shelf.tag("v1-accelerated")
    assert before is not None
    assert after is not None
    assert after.digest == before.digest


def test_event_that_comes_three_times_makes_one_task(shelf: Shelf) -> None:
    """A1: told of again and again until it is settled."""
    shelf.push(BASE)
    (push,) = shelf.stack.objects(shelf.instance.bucket).list(f"{shelf.instance.id}/pushes/").items
    (told,) = handlers.object_created(shelf.stack, shelf.instance.bucket, push.key)
    for _ in range(3):
        for handler in CHAIN[type(told)][:5]:
            handler(shelf.stack, told)
    shelf.work()
    assert len(shelf.tasks()) == 1
    for handler in CHAIN[type(told)][:5]:
        handler(shelf.stack, told)
    mark = shelf.mark()
    assert mark is not None
    assert mark.state == "succeeded"


def test_step_that_died_after_the_push_is_done_again_and_pushes_nothing_else(shelf: Shelf, clock: FrozenClock) -> None:
    shelf.push(BASE)
    task = begun(shelf, 3)
    claimed = Tasks(shelf.stack)._claim(shelf.instance.id, task.id)
    assert claimed is not None
    step(shelf.stack, claimed)
    before = shelf.tag("v1-accelerated")
    assert before is not None
    clock.advance(CLAIM.total_seconds() * 4)
    assert shelf.step(task.id).state == "succeeded"
    after = shelf.tag("v1-accelerated")
    assert after is not None
    assert (after.digest, after.push) == (before.digest, before.push)
    sound(shelf)


def test_original_that_went_in_the_moment_its_companion_came_leaves_no_orphan(shelf: Shelf, clock: FrozenClock) -> None:
    """A deletion that looked before the companion stood takes none along."""
    shelf.push(BASE)
    task = begun(shelf, 3)
    claimed = Tasks(shelf.stack)._claim(shelf.instance.id, task.id)
    assert claimed is not None
    step(shelf.stack, claimed)
    companion = shelf.tag("v1-accelerated")
    assert companion is not None
    shelf.stack.table.delete(keys.tag(shelf.library.repository().id, "v1"))
    clock.advance(CLAIM.total_seconds() * 4)
    ended = shelf.step(task.id)
    assert shelf.items(ended) == {"v1": ("skipped", "it was pushed or deleted meanwhile")}
    assert shelf.tag("v1-accelerated") is None


def test_cancelled_conversion_says_so_and_goes_on_when_retried(shelf: Shelf) -> None:
    """A3."""
    shelf.push(BASE, APP)
    task = begun(shelf, 2)
    assert shelf.api.post(f"/instances/ci/tasks/{task.id}/cancel").status == 200
    shelf.work()
    mark = shelf.mark()
    assert mark is not None
    assert (mark.state, mark.reason, mark.message) == ("failed", "interrupted", "the conversion was cancelled")
    assert shelf.api.post(f"/instances/ci/tasks/{task.id}/retry").status == 200
    shelf.work()
    assert shelf.task(task.id).state == "succeeded"
    assert shelf.tag("v1-accelerated") is not None
