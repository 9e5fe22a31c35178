"""The Chalice app as Lambda sees it, through Chalice's own test client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chalice.test import Client

import app as service
from chalicelib.edge.consume import consume, decode, encode, handle, send
from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.messages import ClearDue, ContinueTask, ImagePushed, Message
from chalicelib.ports.stack import Stack
from tests.stacks import FrozenClock, embedded_stack


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    with embedded_stack(tmp_path) as opened:
        monkeypatch.setattr(service, "stack", lambda: opened)
        yield opened


@pytest.fixture
def client() -> Client:
    return Client(service.app)


def test_every_event_source_is_declared_in_app_py() -> None:
    assert sorted(source.name for source in service.app.event_sources) == [
        "announce",
        "collection",
        "conversions",
        "life",
        "object_created",
        "rescans",
        "retention",
        "scans",
        "seal_audit",
        "sweep",
        "tasks",
        "transfers",
        "vulnerability_database",
        "webhooks",
    ]


def test_object_event_of_a_push_nobody_knows_is_harmless(client: Client, stack: Stack) -> None:
    key = "01J00000000000000000000000/pushes/01J00000000000000000000001/01J00000000000000000000002"
    detail = {"bucket": {"name": "bucket"}, "object": {"key": key}}
    stack.objects.create("bucket")  # type: ignore[attr-defined]
    event = client.events.generate_cw_event("aws.s3", "Object Created", detail, [])
    assert client.lambda_.invoke("object_created", event).payload is None


def test_batch_answers_which_messages_failed(client: Client, stack: Stack) -> None:
    body = encode(ClearDue(kind="upload", partition="DUE#upload#0"))
    event = client.events.generate_sqs_event([body, "not a message"], "crs-collection")
    event["Records"][1]["messageId"] = "the bad one"
    assert client.lambda_.invoke("collection", event).payload == {
        "batchItemFailures": [{"itemIdentifier": "the bad one"}]
    }


def test_sweep_of_an_empty_service_sends_nothing(client: Client, stack: Stack) -> None:
    event = client.events.generate_cw_event("aws.events", "Scheduled Event", {}, [])
    assert client.lambda_.invoke("sweep", event).payload is None
    assert stack.queues.receive("collection") == []


def pushed() -> ImagePushed:
    names = ("instance_id", "bucket", "repository_id", "repository", "digest", "incarnation", "pushed_by")
    return ImagePushed.model_validate({**dict.fromkeys(names, "x"), "tags": (), "pushed_at": FrozenClock().now()})


def test_follow_ups_are_sent_and_what_nobody_handles_is_not(stack: Stack) -> None:
    due = ClearDue(kind="upload", partition="0")

    def first(_stack: Stack, _message: Message) -> list[Message]:
        return [due, ContinueTask(instance_id="i", task_id="t")]

    handle(stack, ClearDue(kind="upload", partition="1"), {ClearDue: (first,)})
    assert [delivery.body for delivery in stack.queues.receive("collection")] == [encode(due)]
    assert stack.queues.receive("tasks") == []


def test_what_has_no_queue_is_handled_where_it_is_made_and_ends_with_the_handler_that_fails(stack: Stack) -> None:
    """R6: what was not done then is done when the event comes again."""
    seen: list[str] = []

    def note(_stack: Stack, message: ImagePushed) -> list[Message]:
        seen.append(message.repository)
        return []

    def fail(_stack: Stack, _message: ImagePushed) -> list[Message]:
        raise RuntimeError("cannot")

    send(stack, [pushed()], {ImagePushed: (note, note)})
    assert seen == ["x", "x"]
    with pytest.raises(RuntimeError):
        send(stack, [pushed()], {ImagePushed: (note, fail, note)})
    assert seen == ["x", "x", "x"]


def test_handler_that_fails_fails_its_message_alone(stack: Stack, client: Client) -> None:
    handled: list[str] = []

    def picky(_stack: Stack, message: ClearDue) -> list[Message]:
        if message.kind == "bad":
            raise RuntimeError("cannot")
        handled.append(message.kind)
        return []

    bodies = [encode(ClearDue(kind=kind, partition="0")) for kind in ("one", "bad", "two")]
    event = client.events.generate_sqs_event(bodies, "crs-collection")
    for record, identifier in zip(event["Records"], "abc", strict=True):
        record["messageId"] = identifier
    answer = consume(stack, event, None, {ClearDue: (picky,)}, queue="collection")
    assert answer == {"batchItemFailures": [{"itemIdentifier": "b"}]}
    assert handled == ["one", "two"]


def test_message_survives_its_way_through_a_queue() -> None:
    message = ClearDue(kind="upload", partition="DUE#upload#1", caused_by="x")
    assert decode(encode(message), [ClearDue, ImagePushed]) == message


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"type":"Unknown"}', '{"type":"ClearDue"}', "null"])
def test_body_of_something_else_is_refused(body: str) -> None:
    with pytest.raises(Invalid):
        decode(body, [ClearDue, ImagePushed])
