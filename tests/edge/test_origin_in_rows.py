"""Rows remember whose request they follow from, for what is done about them later and by another process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.chain import CHAIN
from chalicelib.edge.consume import decode, handle, send
from chalicelib.kernel.messages import ContinueTask, DeliverWebhook
from chalicelib.kernel.origin import following, request_id
from chalicelib.notifications.handlers import announce
from chalicelib.notifications.models import Delivery
from chalicelib.ports import keys, paths
from chalicelib.ports.stack import Stack
from chalicelib.registry import handlers
from chalicelib.registry.service import Registry
from chalicelib.tasks.models import Step, Task
from chalicelib.tasks.service import Tasks
from tests.management import Api
from tests.notifications.receiver import Receiver, receiving
from tests.registry.images import image, owner_of, push_blob, push_manifest
from tests.registry.wire import MANIFEST, Wire
from tests.stacks import FrozenClock, embedded_stack, make_instance, make_namespace

INSTANCE = "01J00000000000000000000000"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock, allow_private_addresses=True) as opened:
        yield opened


def seen(stack: Stack, task: Task) -> Step:
    """A step that tells as its outcome whose it was."""
    return Step({"origins": [*task.work.get("origins", ()), request_id()]})


def made(stack: Stack) -> Task:
    task, write = Tasks(stack).create(INSTANCE, "deletion", {"namespace": "library"}, "ann")
    stack.table.transact([write])
    return task


def test_a_task_whose_message_was_lost_goes_on_under_the_request_that_made_it(stack: Stack, clock: FrozenClock) -> None:
    with following("made"):
        task = made(stack)
    clock.advance(3600)
    (message,) = Tasks(stack).overdue()
    assert message.origin == "made"
    (follow_up,) = Tasks(stack).carry_out(INSTANCE, task.id, {"deletion": seen})
    assert follow_up.origin == "made"
    assert Tasks(stack).get(INSTANCE, task.id).work["origins"] == ["made"]


def test_a_retried_task_goes_on_under_the_request_that_retried_it(stack: Stack) -> None:
    tasks = Tasks(stack)
    with following("made"):
        task = made(stack)
    tasks.cancel(task)
    with following("retried"):
        tasks.retry(tasks.get(INSTANCE, task.id))
    (sent,) = stack.queues.receive("tasks")
    assert json.loads(sent.body)["origin"] == "retried"
    with following("a message of before"):
        tasks.carry_out(INSTANCE, task.id, {"deletion": seen})
    assert tasks.get(INSTANCE, task.id).work["origins"] == ["retried"]


def test_a_task_of_before_rows_said_whose_they_are_is_nobody_s(stack: Stack) -> None:
    with following("somebody who looks at it"):
        old = Task.model_validate({**made(stack).model_dump(exclude={"origin"})})
    assert old.origin == ""


# Deliveries


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def deliveries(stack: Stack, webhook: str) -> dict[str, Delivery]:
    """By the type of their events."""
    rows = stack.table.query(keys.deliveries_partition(webhook)).items
    found = [Delivery.model_validate(row) for row in rows]
    return {one.type: one for one in found}


def bring(stack: Stack, queue: str, *classes: Any) -> None:
    while waiting := stack.queues.receive(queue):
        for one in waiting:
            handle(stack, decode(one.body, classes), CHAIN)
        stack.queues.complete(waiting)


def webhook_for(stack: Stack, url: str) -> str:
    events = ["image.pushed", "image.deleted"]
    answer = Api.signed_in(stack).post("/instances/ci/webhooks", {"url": url, "events": events})
    assert answer.status == 201, answer.text
    return str(answer.json()["id"])


def test_one_worker_makes_deliveries_of_several_requests_each_under_its_own(
    stack: Stack, receiver: Receiver, clock: FrozenClock
) -> None:
    instance = make_instance(stack, "ci")
    make_namespace(stack, instance)
    webhook = webhook_for(stack, receiver.url)
    registry, caller = Registry(stack), owner_of(instance)
    for data in (b"{}", b"one"):
        push_blob(registry, caller, data)
    with following("pushes", "pushes"):
        push_manifest(registry, caller, image(b"one"), "v1")
    for row in outbox(stack):
        send(stack, handlers.object_created(stack, instance.bucket, push_object(row)), CHAIN)
    deleted = Api.signed_in(stack).delete("/instances/ci/namespaces/library/repositories/app/tags/v1")
    send(stack, announce(stack), CHAIN)
    bring(stack, "collection", *(known for known in CHAIN if known.queue == "collection"))
    bring(stack, "webhooks", DeliverWebhook)
    origins = {kind: one.origin for kind, one in deliveries(stack, webhook).items()}
    assert origins == {"image.pushed": "pushes", "image.deleted": deleted.headers["X-Request-Id"]}
    assert {one.state for one in deliveries(stack, webhook).values()} == {"delivered"}


def outbox(stack: Stack) -> list[dict[str, Any]]:
    """Rows of pushes that were not handled."""
    partitions = keys.due_partitions("outbox")
    return [dict(row) for partition in partitions for row in stack.table.query(partition, index="i1").items]


def push_object(row: dict[str, Any]) -> str:
    return paths.push(row["instance_id"], row["repository_id"], row["incarnation"])


# Pushes


def test_the_event_of_a_push_bears_the_id_that_its_answer_bore(tmp_path: Path) -> None:
    wire = Wire(tmp_path, edition="enterprise")
    try:
        body, media = wire.push_image("library/app", "v1"), {"Content-Type": MANIFEST}
        answer = wire.ask("PUT", "/v2/library/app/manifests/v2", content=body, headers=media)
        (row,) = [row for row in outbox(wire.stack) if row["tags"] == ["v2"]]
        (pushed,) = handlers.object_created(wire.stack, wire.instance.bucket, push_object(row))
    finally:
        wire.close()
    assert pushed.origin == pushed.caused_by == answer.headers["x-request-id"]


def test_a_push_by_the_management_api_is_followed_too_and_still_recorded_once(stack: Stack) -> None:
    """The audit record has the API's own entry; the event says whose it is without making a second."""
    instance = make_instance(stack, "ci")
    make_namespace(stack, instance)
    registry, caller = Registry(stack), owner_of(instance)
    for data in (b"{}", b"one"):
        push_blob(registry, caller, data)
    push_manifest(registry, caller, image(b"one"), "v1")
    path = "/instances/ci/namespaces/library/repositories/app/tags"
    added = Api.signed_in(stack).post(f"{path}/v1/copies", {"tag": "v2"})
    assert added.status < 300, added.text
    (row,) = [row for row in outbox(stack) if row["tags"] == ["v2"]]
    assert (row["request_id"], row["origin"]) == ("", added.headers["X-Request-Id"])
    (pushed,) = handlers.object_created(stack, instance.bucket, push_object(row))
    assert pushed.origin == added.headers["X-Request-Id"]
    send(stack, [pushed], CHAIN)
    entries = Audit(stack).search(instance.id, Filter(), None, 50).items
    assert [entry.action for entry in entries if entry.object_type == "tag"] == ["copy"]


def test_messages_that_an_older_release_would_send_are_still_read() -> None:
    old = '{"type":"ContinueTask","id":"m","instance_id":"i","task_id":"t","caused_by":"x","schema_version":1}'
    assert decode(old, [ContinueTask]).origin == ""
