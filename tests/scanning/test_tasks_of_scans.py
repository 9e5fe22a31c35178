"""Scans of namespaces and pushes; scans that are interrupted, cancelled and tried again."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.chain import CHAIN, WORKERS
from chalicelib.edge.consume import decode, handle, send
from chalicelib.kernel.messages import AnnounceUntold, ContinueScan
from chalicelib.kernel.names import RepositoryName
from chalicelib.layers.entries import Limits
from chalicelib.notifications.handlers import announce
from chalicelib.ports.objects import Objects, Reading
from chalicelib.ports.stack import Stack
from chalicelib.registry import handlers
from chalicelib.scanning import steps
from chalicelib.surveys import service as surveys
from chalicelib.tasks.service import CLAIM, Tasks
from tests.background import run_background, run_tasks
from tests.registry.images import NAME
from tests.stacks import FrozenClock

from .shelf import DEBIAN, PYTHON, Shelf, packed

OTHER = RepositoryName("library/other")


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    opened = Shelf.opened(stack)
    opened.import_database()
    return opened


class Reads:
    """A stack's objects, counting what is read of blobs."""

    def __init__(self, objects: Objects, read: Counter[str]) -> None:
        self._objects, self._read = objects, read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def get(self, key: str, start: int = 0, end: int | None = None) -> Reading:
        self._read[key] += "/blobs/" in key
        return self._objects.get(key, start, end)


def counting(stack: Stack) -> tuple[Stack, Counter[str]]:
    read: Counter[str] = Counter()
    return replace(stack, objects=lambda bucket: Reads(stack.objects(bucket), read)), read


# Namespaces


def test_namespace_is_scanned_tag_by_tag_and_an_image_that_fails_holds_up_no_other(shelf: Shelf) -> None:
    """S1: n of total, and of each tag what came of it and why."""
    shelf.push(DEBIAN, tag="good")
    shelf.push(packed(DEBIAN)[:-20], tag="bad")
    shelf.push({"bin/app": "x"}, tag="empty", name=OTHER)
    shelf.push(b"{}", tag="signature", name=OTHER, layer_type="application/vnd.dev.cosign.simplesigning.v1+json")
    task = shelf.scan_namespace()
    assert (task.state, task.done, task.total) == ("failed", 4, 4)
    assert task.error.startswith("1 images could not be scanned")
    assert shelf.items(task) == {"good": "succeeded", "bad": "failed", "empty": "unsupported", "signature": "skipped"}
    assert task.counts == {"succeeded": 1, "failed": 1, "unsupported": 1, "skipped": 1}


def test_retry_tells_anew_what_came_of_each_tag(shelf: Shelf) -> None:
    shelf.push(DEBIAN, tag="good")
    shelf.push(packed(DEBIAN)[:-20], tag="bad")
    task = shelf.scan_namespace()
    shelf.push(DEBIAN, tag="bad")
    assert shelf.api.post(f"/instances/ci/tasks/{task.id}/retry").status == 200
    again = shelf.carried_out(task.id)
    assert (again.state, again.done, again.total, again.counts) == ("succeeded", 2, 2, {"succeeded": 2})
    assert shelf.items(again) == {"good": "succeeded", "bad": "succeeded"}


def test_two_hundred_tags_of_few_images_take_few_steps(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1. Tags of one digest share its result, and layers are read once each."""
    for number in range(200):
        shelf.push({**DEBIAN, "etc/build": str(number % 4)}, tag=f"v{number}", name=OTHER if number % 2 else NAME)
    counted, read = counting(shelf.stack)
    monkeypatch.setattr(steps, "TARGETS_A_STEP", 30)
    task_id = shelf.api.post("/instances/ci/namespaces/library/scan").json()["id"]
    taken = 0
    while not (task := shelf.task(task_id)).finished:
        Tasks(counted).carry_out(shelf.instance.id, task_id, WORKERS)
        taken += 1
    assert (task.state, task.done, task.total, task.counts) == ("succeeded", 200, 200, {"succeeded": 200})
    assert taken < 20
    blobs = shelf.stack.objects(shelf.instance.bucket).list(f"{shelf.instance.id}/surveys/").items
    layers = [times for key, times in read.items() if times]
    assert len(blobs) == 4
    # Configs are read for each image and step; a layer is read once.
    assert len(layers) == 8


@pytest.mark.usefixtures("large_layers")
def test_cancelled_scan_ends_and_what_it_was_about_waits_for_it_no_more(shelf: Shelf) -> None:
    first, second = shelf.push(DEBIAN, PYTHON, tag="a"), shelf.push(PYTHON, tag="b")
    task_id = shelf.api.post("/instances/ci/namespaces/library/scan").json()["id"]
    shelf.step(task_id)
    assert shelf.record(first).state == "running"
    assert shelf.api.post(f"/instances/ci/tasks/{task_id}/cancel").status == 200
    run_background(shelf.stack)
    told(shelf)
    assert shelf.task(task_id).state == "cancelled"
    assert (shelf.record(first).state, shelf.record(first).reason) == ("failed", "interrupted")
    with pytest.raises(AssertionError):
        shelf.record(second)
    assert shelf.api.post(f"/instances/ci/tasks/{task_id}/retry").status == 200
    assert shelf.carried_out(task_id).state == "succeeded"
    assert shelf.record(first).state == "succeeded"


def told(shelf: Shelf) -> None:
    """Whoever is concerned is told of tasks that ended, as the schedule has it."""
    send(shelf.stack, announce(shelf.stack), CHAIN)
    classes = [known for known in CHAIN if known.queue == AnnounceUntold.queue]
    while deliveries := shelf.stack.queues.receive(AnnounceUntold.queue):
        for delivery in deliveries:
            handle(shelf.stack, decode(delivery.body, classes), CHAIN)
        shelf.stack.queues.complete(deliveries)


def test_ends_of_scans_are_events(shelf: Shelf) -> None:
    """X5: `task.finished`, once for each scan, with what came of it."""
    made = shelf.api.post("/instances/ci/webhooks", {"url": "https://example.com/", "events": ["task.finished"]})
    assert made.status == 201, made.text
    shelf.push(DEBIAN)
    shelf.scan()
    told(shelf)
    told(shelf)
    (delivery,) = shelf.api.get(f"/instances/ci/webhooks/{made.json()['id']}/deliveries").json()["items"]
    assert delivery["type"] == "task.finished"


def test_scan_of_a_namespace_that_goes_meanwhile_ends_with_that(shelf: Shelf) -> None:
    shelf.push(DEBIAN)
    task_id = shelf.api.post("/instances/ci/namespaces/library/scan").json()["id"]
    assert shelf.api.delete("/instances/ci/namespaces/library", confirm="library").status == 202
    run_tasks(shelf.stack)
    assert (shelf.task(task_id).state, bool(shelf.task(task_id).error)) == ("failed", True)


# Pushes


@pytest.fixture
def watched(stack: Stack) -> Shelf:
    """A namespace that scans each push."""
    opened = Shelf.opened(stack, scan_on_push=True)
    opened.import_database()
    return opened


def tasks_of(shelf: Shelf) -> list[Any]:
    return list(Tasks(shelf.stack).list(shelf.instance.id, "scan", None, None, 100).items)


def test_push_is_scanned_where_the_namespace_wants_it(watched: Shelf) -> None:
    """S1."""
    digest = watched.push(DEBIAN)
    watched.library.handle_events()
    (task,) = tasks_of(watched)
    assert (task.trigger, watched.record(digest).state) == ("push", "queued")
    run_tasks(watched.stack)
    assert watched.record(digest).state == "succeeded"


def test_push_elsewhere_is_not(shelf: Shelf) -> None:
    shelf.push(DEBIAN)
    shelf.library.handle_events()
    assert tasks_of(shelf) == []


def test_events_that_come_three_times_and_out_of_order_make_one_task_each(watched: Shelf) -> None:
    """R6: a push has one scan, however often it is told of."""
    watched.push(DEBIAN, tag="a")
    watched.push(PYTHON, tag="b")
    pushes = watched.stack.objects(watched.instance.bucket).list(f"{watched.instance.id}/pushes/").items
    found = [handlers.object_created(watched.stack, watched.instance.bucket, push.key) for push in pushes]
    for messages in (*found, *reversed(found), *found):
        send(watched.stack, messages, CHAIN)
    assert sorted(task.subject["tag"] for task in tasks_of(watched)) == ["a", "b"]
    run_tasks(watched.stack)
    assert {task.state for task in tasks_of(watched)} == {"succeeded"}


def test_a_digest_that_is_known_costs_its_next_push_one_cheap_step(watched: Shelf) -> None:
    watched.push(DEBIAN)
    watched.library.handle_events()
    run_tasks(watched.stack)
    watched.push(DEBIAN, tag="again")
    watched.library.handle_events()
    assert run_tasks(watched.stack) == 1
    assert [task.bytes > 0 for task in sorted(tasks_of(watched), key=lambda one: one.id)] == [True, False]


def test_pushes_of_what_is_no_image_are_not_scanned(watched: Shelf) -> None:
    watched.push(b"{}", tag="signature", layer_type="application/vnd.dev.cosign.simplesigning.v1+json")
    watched.library.handle_events()
    assert tasks_of(watched) == []


def test_message_that_gets_lost_is_sent_again_by_the_sweep(watched: Shelf, clock: FrozenClock) -> None:
    digest = watched.push(DEBIAN)
    watched.library.handle_events()
    watched.stack.queues.complete(watched.stack.queues.receive(ContinueScan.queue))
    clock.advance(61)
    run_background(watched.stack)
    assert watched.record(digest).state == "succeeded"


# Interruptions


class Killed(BaseException):
    """As `kill -9`: nobody has a chance to do anything about it."""


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Layers whose reading kills the process, by their digests."""
    victims: list[str] = []
    read = surveys.Surveys._read

    def reading(self: surveys.Surveys, instance: Any, layer: Any) -> Any:
        if layer.digest in victims:
            raise Killed
        return read(self, instance, layer)

    monkeypatch.setattr(surveys.Surveys, "_read", reading)
    return victims


def killed(shelf: Shelf, task_id: str) -> None:
    with pytest.raises(Killed):
        shelf.step(task_id)


def layer_digest(files: Any) -> str:
    return f"sha256:{hashlib.sha256(packed(files)).hexdigest()}"


@pytest.mark.usefixtures("large_layers")
def test_step_whose_process_dies_is_taken_up_by_another(shelf: Shelf, clock: FrozenClock, deadly: list[str]) -> None:
    digest = shelf.push(DEBIAN, PYTHON)
    task_id = shelf.begin()
    shelf.step(task_id)
    deadly.append(layer_digest(PYTHON))
    killed(shelf, task_id)
    assert shelf.step(task_id).done == 1, "its claim holds still"
    deadly.clear()
    clock.advance(CLAIM.total_seconds() + 1)
    shelf.step(task_id)
    assert shelf.step(task_id).state == "succeeded"
    assert (shelf.record(digest).state, shelf.record(digest).critical) == ("succeeded", 1)


def test_image_that_kills_whoever_reads_it_is_given_up_and_the_others_have_their_turn(
    shelf: Shelf, clock: FrozenClock, deadly: list[str]
) -> None:
    bad, good = shelf.push(DEBIAN, tag="a"), shelf.push(PYTHON, tag="b")
    deadly.append(layer_digest(DEBIAN))
    task_id = shelf.api.post("/instances/ci/namespaces/library/scan").json()["id"]
    for _ in range(steps.MOST_INTERRUPTIONS):
        killed(shelf, task_id)
        clock.advance(CLAIM.total_seconds() + 1)
    while not shelf.step(task_id).finished:
        pass
    assert shelf.items(shelf.task(task_id)) == {"a": "failed", "b": "succeeded"}
    assert (shelf.record(bad).state, shelf.record(bad).reason) == ("failed", "interrupted")
    assert shelf.record(good).state == "succeeded"


def test_what_goes_wrong_inside_one_image_is_its_own_failure(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.push(DEBIAN, tag="a")
    shelf.push(PYTHON, tag="b")
    broken, known = layer_digest(DEBIAN), surveys.Surveys._read

    def reading(self: surveys.Surveys, instance: Any, layer: Any) -> Any:
        if layer.digest == broken:
            raise RuntimeError("a mistake of ours")
        return known(self, instance, layer)

    monkeypatch.setattr(surveys.Surveys, "_read", reading)
    task = shelf.scan_namespace()
    assert shelf.items(task) == {"a": "failed", "b": "succeeded"}


def test_budgets_of_a_layer_fail_its_scan_with_the_limit(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bombs: absolute budgets, told in the reason; neighbours are unaffected."""
    many = shelf.push({f"f{number}": "" for number in range(200)}, tag="many")
    large = shelf.push({"zeros": b"\0" * 3_000_000}, tag="large")
    fine = shelf.push(DEBIAN, tag="fine")
    monkeypatch.setattr(surveys.Surveys.__init__, "__defaults__", (Limits(entries=100, bytes_most=1_000_000),))
    task = shelf.scan_namespace()
    assert shelf.items(task) == {"many": "failed", "large": "failed", "fine": "succeeded"}
    assert shelf.record(many).reason == "too_many_entries"
    assert shelf.record(large).reason == "too_large"
    assert shelf.record(fine).critical == 1
