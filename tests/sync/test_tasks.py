"""Y4, Y5. What is there already is brought by tasks, image by image, and a retry does only what failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.chain import WORKERS
from chalicelib.copying.copier import Copier
from chalicelib.copying.models import Outcome
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from chalicelib.registry.companions import BY as ACCELERATION
from chalicelib.sync import listing, steps
from chalicelib.sync.models import Work
from chalicelib.sync.rules import piece_bytes
from chalicelib.tasks.models import Step, Task
from chalicelib.tasks.service import Tasks
from tests.acceleration.shelf import BASE, Shelf
from tests.background import run_background
from tests.registry.library import Library
from tests.stacks import FrozenClock, make_instance, make_namespace

from .estate import APP, HELM, Estate

WEB = RepositoryName("dev/team/web")
CHART = RepositoryName("dev/chart")


@pytest.fixture
def estate(stack: Stack) -> Estate:
    """Three repositories: two tags, three tags, a chart."""
    opened = Estate.opened(stack)
    for tag in ("v1", "v2"):
        opened.push(tag, tag.encode())
    for tag in ("a", "b", "c"):
        opened.push(tag, tag.encode(), name=WEB)
    opened.push("1.0", b"chart", name=CHART, config_type=HELM)
    return opened


def test_everything_is_brought_with_a_record_each(estate: Estate) -> None:
    begun = estate.task()
    assert (begun["kind"], begun["state"], begun["trigger"]) == ("sync", "queued", "manual")
    estate.work()
    (task,) = estate.tasks()
    assert (task["state"], task["counts"]) == ("succeeded", {"copied": 6})
    assert task["progress"] == {"done": 6, "total": 6, "bytes": 0}
    assert set(estate.became()) == {
        "dev/app:v1", "dev/app:v2", "dev/team/web:a", "dev/team/web:b", "dev/team/web:c", "dev/chart:1.0"
    }  # fmt: skip
    assert estate.digest("c", RepositoryName("prod/team/web")) == estate.digest("c", WEB)
    estate.task()
    estate.work()
    assert estate.tasks()[0]["counts"] == {"unchanged": 6}


@pytest.mark.parametrize(
    ("said", "brought"),
    [
        ({"source_repositories": "team/*", "source_tags": "{a,c}"}, {"dev/team/web:a", "dev/team/web:c"}),
        ({"content": ["chart"]}, {"dev/chart:1.0"}),
        ({"source_tags": "none"}, set()),
    ],
)
def test_patterns_and_content_narrow_what_is_brought(
    estate: Estate, said: dict[str, object], brought: set[str]
) -> None:
    estate.task(**said)
    estate.work()
    became = estate.became()
    assert {name for name, (verdict, _) in became.items() if verdict == "copied"} == brought
    assert {reason for verdict, reason in became.values() if verdict != "copied"} <= {"other_content"}
    assert estate.tasks()[0]["state"] == "succeeded"


def test_long_lists_are_gone_through_in_batches(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tag once, wherever a batch ends, and pushed or deleted meanwhile."""
    monkeypatch.setattr(listing, "BATCH", 2)
    monkeypatch.setattr(listing, "_TAGS_A_PAGE", 2)
    estate.task()
    estate.work()
    (task,) = estate.tasks()
    assert (task["counts"], task["progress"]["total"]) == ({"copied": 6}, 6)


def test_image_that_fails_stops_no_other_and_a_retry_brings_it_alone(estate: Estate) -> None:
    """Y5: here the quota is used up by the first two repositories."""
    instances = Instances(estate.stack)
    far = make_instance(estate.stack, "far", bucket=estate.stack.settings.bucket)
    make_namespace(estate.stack, far, "prod")
    far = instances.change(far, repository_limit=2)
    estate.task(target_instance="far")
    estate.work()
    (task,) = estate.tasks()
    assert (task["state"], task["error"]) == ("failed", "3 images could not be brought; see its items")
    assert task["counts"] == {"copied": 3, "failed": 3}
    failed = {name: became for name, became in estate.became().items() if became[0] == "failed"}
    assert failed == dict.fromkeys((f"dev/team/web:{tag}" for tag in "abc"), ("failed", "quota_exceeded"))

    instances.change(instances.load(far.id), repository_limit=3)
    assert estate.api.post(f"{estate.path}/tasks/{task['id']}/retry").status == 200
    estate.work()
    (task,) = estate.tasks()
    assert (task["state"], task["counts"], task["progress"]["done"]) == ("succeeded", {"copied": 6}, 6)


def test_too_many_failures_stop_a_task_and_a_retry_goes_on_there(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "MOST_FAILED", 2)
    monkeypatch.setattr(listing, "BATCH", 2)
    instances = Instances(estate.stack)
    far = make_instance(estate.stack, "far", bucket=estate.stack.settings.bucket)
    make_namespace(estate.stack, far, "prod")
    far = instances.change(far, repository_limit=0)
    estate.task(target_instance="far")
    estate.work()
    (task,) = estate.tasks()
    assert task["error"] == "2 images could not be brought, and the rest was not begun; see its items"
    instances.change(instances.load(far.id), repository_limit=10)
    estate.api.post(f"{estate.path}/tasks/{task['id']}/retry")
    estate.work()
    (task,) = estate.tasks()
    assert (task["state"], task["counts"]) == ("succeeded", {"copied": 6})


def test_step_that_died_before_it_could_tell_is_done_again(estate: Estate, clock: FrozenClock) -> None:
    """R6: nothing is missing, nothing double."""
    task_id = estate.task()["id"]
    tasks = Tasks(estate.stack)

    def dies(stack: Stack, task: Task) -> Step:
        WORKERS["sync"](stack, task)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tasks.carry_out(estate.instance.id, task_id, {"sync": dies})
    clock.advance(301)
    run_background(estate.stack)
    (task,) = estate.tasks()
    assert (task["state"], task["counts"]) == ("succeeded", {"unchanged": 6})
    for name in (APP, WEB, CHART):
        there = RepositoryName(f"prod/{name.short}")
        tags = {"v1", "v2"} if name == APP else {"a", "b", "c"} if name == WEB else {"1.0"}
        assert {estate.digest(tag, there) == estate.digest(tag, name) for tag in tags} == {True}


def test_what_was_deleted_meanwhile_is_left(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = estate.task(source_repositories="app")["id"]
    tasks = Tasks(estate.stack)

    def delete_first(stack: Stack, task: Task) -> Step:
        path = f"{estate.path}/namespaces/dev/repositories/app/tags/v2"
        more = listing.ImageList.more

        def then(self: listing.ImageList, work: Work) -> Work:
            found = more(self, work)
            estate.api.delete(path)
            return found

        monkeypatch.setattr(listing.ImageList, "more", then)
        return WORKERS["sync"](stack, task)

    tasks.carry_out(estate.instance.id, task_id, {"sync": delete_first})
    assert estate.became() == {"dev/app:v1": ("copied", ""), "dev/app:v2": ("left", "gone")}


def test_same_namespace_is_refused_and_rules_are_in_nobodys_way(estate: Estate) -> None:
    """Y4: a task may fill what a rule keeps filling."""
    assert estate.ask("/sync-tasks", target_namespace="dev").status == 400
    estate.rule()
    assert estate.ask("/sync-tasks").status == 202
    assert estate.ask("/sync-tasks", role=Role.READER).status == 403


def test_accelerated_image_comes_with_its_original_and_is_not_made_again(stack: Stack, tmp_path: Path) -> None:
    """Y5, A1: by the rule, as its conversion ends; the target converts only if none came."""
    estate = Estate.opened(stack, acceleration=True)
    make_namespace(stack, estate.instance, "fast", acceleration=True)
    estate.rule(target_namespace="fast", source_tags="v1")
    shelf = Shelf(Library(stack, estate.instance))
    digest = shelf.push(BASE, tag="v1", name=APP)
    shelf.work()
    shelf.work()
    there = RepositoryName("fast/app")
    original, companion = estate.tag("v1", there), estate.tag("v1-accelerated", there)
    assert original is not None
    assert companion is not None
    assert (original.digest, companion.digest) == (digest, estate.digest("v1-accelerated", APP))
    assert companion.pushed_by == ACCELERATION
    assert original.acceleration is not None
    assert original.acceleration.state == "succeeded"
    assert {task["state"] for task in estate.tasks()} == {"succeeded"}
    conversions = {task.subject["namespace"]: task.counts for task in shelf.tasks()}
    assert conversions["dev"] == {"accelerated": 1}
    assert not conversions.get("fast"), "it came"


def test_accelerated_image_takes_nothing_back_where_its_original_is_not(stack: Stack, clock: FrozenClock) -> None:
    """Y2, Y5: its original was synchronised by another service, and so is brought nowhere; nor is it for the sake of
    what was made of it here."""
    estate = Estate.opened(stack, acceleration=True)
    make_namespace(stack, estate.instance, "open")
    estate.rule(override=True, target_namespace="open")
    there = RepositoryName("open/app")
    newer = estate.push("v1", b"newer", name=there)
    shelf = Shelf(Library(stack, estate.instance))
    digest = shelf.push(BASE, tag="", name=APP)
    found = shelf.library.registry.pull(shelf.library.owner, APP, digest)
    tags = [TagName("v1")]
    shelf.library.registry.push(shelf.library.owner, APP, digest, tags, found.body, found.media_type, "sync")
    shelf.work()
    clock.advance(61)
    run_background(stack)
    shelf.work()
    assert estate.digest("v1-accelerated", APP)
    assert estate.digest("v1", there) == newer
    assert estate.became() == {"dev/app:v1": ("left", "original_missing")}


def test_image_that_gets_no_answer_lets_others_go_first_and_then_fails_alone(
    estate: Estate, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y5: long before a target that answers nobody would be given up."""

    class Stubborn(Copier):
        def copy(self, reference: str, *arguments: Any, **more: Any) -> Outcome:
            if reference == "v1":
                raise Unavailable("answers with status 500")
            return super().copy(reference, *arguments, **more)

    monkeypatch.setattr(steps, "Copier", Stubborn)
    estate.task()
    for _ in range(12):
        clock.advance(601)
        run_background(estate.stack)
    (task,) = estate.tasks()
    assert (task["state"], task["counts"]) == ("failed", {"copied": 5, "failed": 1})
    assert estate.became()["dev/app:v1"] == ("failed", "unavailable")


def test_steps_of_many_images_end_in_between(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one has to tell fits into a few transactions."""
    monkeypatch.setattr(steps, "IMAGES_A_STEP", 4)
    task_id = estate.task()["id"]
    Tasks(estate.stack).carry_out(estate.instance.id, task_id, WORKERS)
    assert estate.tasks()[0]["progress"]["done"] == 4
    estate.work()
    assert estate.tasks()[0]["counts"] == {"copied": 6}


def test_name_that_is_too_long_there_fails_alone(estate: Estate) -> None:
    """The target's namespace has a longer name than the source's."""
    long, target = RepositoryName("dev/" + "x" * 240), "a-target-with-a-long-name"
    make_namespace(estate.stack, estate.instance, target)
    estate.push("v1", b"one", name=long)
    estate.task(target_namespace=target)
    estate.work()
    (task,) = estate.tasks()
    assert task["counts"] == {"copied": 6, "failed": 1}
    assert estate.became()[f"{long}:v1"] == ("failed", "name_invalid")


@pytest.mark.parametrize(
    ("bandwidth", "wanted"), [(0, 32 << 20), (10**12, 32 << 20), (1 << 20, 5 << 20), (1, 256 << 10)]
)
def test_pieces_are_as_small_as_a_slow_link_asks_for(bandwidth: int, wanted: int) -> None:
    """A step ends within its claim."""
    assert piece_bytes(bandwidth) == wanted
