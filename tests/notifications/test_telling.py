"""Which events webhooks are told, in which words, and each of them once (X5)."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

import pytest

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import send
from chalicelib.instances.models import Instance
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.messages import DeliverWebhook
from chalicelib.notifications.announcing import BATCH, Announcing
from chalicelib.notifications.handlers import announce, tell_of_push
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.store import early_event_item
from tests.management import Api

from .receiver import Receiver
from .story import DIGEST, PATH, bring, make_webhook, push, push_of, put_entry, put_task, tell


def test_every_kind_of_event_is_told_as_a_cloud_event(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    make_webhook(owner, receiver.url)
    pushed = push(stack, instance.id, "v1")
    entry = put_entry(stack, instance.id)
    put_entry(stack, instance.id, kind="repository", name="library/app", digest="")
    put_entry(stack, instance.id, kind="namespace", name="library", digest="", repository="", repository_id="")
    task = put_task(stack, instance.id)
    tell(stack)
    told = {event["type"]: event for event in receiver.events}
    assert sorted(told) == sorted(receiver.types), "each once"
    for event in receiver.events:
        assert event["specversion"] == "1.0"
        assert event["source"] == f"/api/v1/instances/{instance.id}"
        assert event["datacontenttype"] == "application/json"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", event["time"])
        assert event["id"] and event["subject"] and event["data"]["instance_id"] == instance.id
    assert {one.headers["content-type"] for one in receiver.received} == {"application/cloudevents+json; charset=utf-8"}
    assert told["image.pushed"]["id"] == pushed.incarnation
    assert told["image.pushed"]["subject"] == "library/app:v1"
    assert told["image.pushed"]["data"] == {
        "instance_id": instance.id, "namespace": "library", "repository": "library/app",
        "repository_id": pushed.repository_id, "digest": DIGEST, "tags": ["v1"], "by": "admin",
    }  # fmt: skip
    assert told["image.deleted"]["id"] == entry.id
    assert told["image.deleted"]["data"]["tags"] == ["v1"]
    assert told["image.deleted"]["data"]["by"] == "ada"
    assert told["repository.deleted"]["subject"] == "library/app"
    assert told["namespace.deleted"]["data"]["namespace"] == "library"
    finished = told["task.finished"]
    assert finished["id"].startswith(task.id)
    assert {name: finished["data"][name] for name in ("kind", "state", "counts")} == {
        "kind": "deletion", "state": "succeeded", "counts": {"deleted": 3},
    }  # fmt: skip


def test_advice_that_every_push_brings_about_is_told_to_nobody(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5: the push was; what somebody asked for is told of."""
    make_webhook(owner, receiver.url)
    by_itself = put_task(stack, instance.id, kind="advice", trigger="push")
    asked = put_task(stack, instance.id, kind="advice", trigger="manual")
    tell(stack)
    assert [event["subject"] for event in receiver.events] == [asked.id]
    assert "i2sk" not in (stack.table.get(keys.task(instance.id, by_itself.id)) or {}), "it does not wait to be told"


def test_an_event_that_comes_again_is_delivered_once(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    webhook = make_webhook(owner, receiver.url)
    pushed = push_of(stack, instance.id, "v1")
    for _ in range(3):
        send(stack, tell_of_push(stack, pushed), CHAIN)
        tell(stack)
    assert len(receiver.received) == 1
    assert len(owner.get(f"{PATH}/{webhook['id']}/deliveries").json()["items"]) == 1


def test_a_lost_message_is_made_up_for_by_the_schedule(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    make_webhook(owner, receiver.url)
    tell_of_push(stack, push_of(stack, instance.id, "v1"))
    assert receiver.received == []
    tell(stack)
    assert receiver.types == ["image.pushed"]


def test_a_row_is_announced_once_and_again_if_its_announcement_was_interrupted(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    make_webhook(owner, receiver.url)
    entry = put_entry(stack, instance.id)
    row = stack.table.get(keys.bin_entry(instance.id, entry.id))
    assert row is not None
    tell(stack)
    left = stack.table.get(keys.bin_entry(instance.id, entry.id))
    assert left == {name: value for name, value in row.items() if name not in ("i2pk", "i2sk")}
    assert announce(stack) == [hint for hint in announce(stack) if isinstance(hint, DeliverWebhook)], (
        "nothing is left to announce"
    )
    stack.table.put(row)  # A crash before the attributes were taken off.
    tell(stack)
    assert receiver.types == ["image.deleted"]
    assert stack.table.get(keys.bin_entry(instance.id, entry.id)) == left


def test_more_rows_than_a_batch_are_all_announced(embedded: Stack, receiver: Receiver) -> None:
    """X5"""
    shard = keys.untold_partitions()[0]
    wanted = 0
    while wanted <= BATCH:
        fields = keys.untold("2026-01-31T07:00:00.000000Z", new_id())
        if fields["i2pk"] == shard:
            own = fields["i2sk"].partition("#")[2]
            embedded.table.put({"pk": "BIN#x", "sk": f"ENTRY#{own}", **fields, **_entry(own)})
            wanted += 1
    _, more = Announcing(embedded).announce(shard)
    assert more
    _, more = Announcing(embedded).announce(shard)
    assert not more
    assert Announcing(embedded).untold(shard, 10) == ()


def _entry(own: str) -> dict[str, Any]:
    now = "2026-01-31T07:00:00.000000Z"
    return {
        "id": own, "instance_id": "x", "kind": "tag", "name": "v1", "repository": "library/app", "digest": DIGEST,
        "size": 1, "deleted_at": now, "deleted_by": "ada", "expires_at": now,
    }  # fmt: skip


def test_a_row_that_cannot_be_announced_holds_up_no_other(
    embedded: Stack, instance_of_embedded: Instance, receiver: Receiver
) -> None:
    """X5"""
    owner = Api.signed_in(embedded)
    make_webhook(owner, receiver.url)
    now = "2026-01-31T07:00:00.000000Z"
    embedded.table.put({**keys.bin_entry(instance_of_embedded.id, "bad")._asdict(), **keys.untold(now, "bad")})
    for _ in range(8):
        put_entry(embedded, instance_of_embedded.id)
    tell(embedded)
    assert receiver.types == ["image.deleted"] * 8


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({}, ["library/app:v1", "library/app:dev", "team/a/b:v2", f"library/app@{DIGEST}"]),
        ({"namespaces": "team"}, ["team/a/b:v2"]),
        ({"repositories": "a/*"}, ["team/a/b:v2"]),
        ({"namespaces": "{library,other}", "tags": "v*"}, ["library/app:v1"]),
        ({"tags": "v*"}, ["library/app:v1", "team/a/b:v2"]),
        ({"events": ["image.deleted"]}, []),
        ({"enabled": False}, []),
    ],
    ids=["none", "namespace", "repository", "namespace and tag", "tag", "events", "off"],
)
def test_filters_narrow_what_is_told(
    embedded: Stack, instance_of_embedded: Instance, receiver: Receiver, filters: dict[str, Any], told: list[str]
) -> None:
    """X5, P2"""
    owner = Api.signed_in(embedded)
    make_webhook(owner, receiver.url, **filters)
    push(embedded, instance_of_embedded.id, "v1")
    push(embedded, instance_of_embedded.id, "dev")
    push(embedded, instance_of_embedded.id, "v2", repository="team/a/b")
    push(embedded, instance_of_embedded.id)
    tell(embedded)
    assert sorted(event["subject"] for event in receiver.events) == sorted(told)


def test_what_an_event_does_not_name_stands_in_no_filters_way(
    embedded: Stack, instance_of_embedded: Instance, receiver: Receiver
) -> None:
    """X5, P2"""
    owner = Api.signed_in(embedded)
    make_webhook(owner, receiver.url, namespaces="library", repositories="app", tags="v*")
    put_entry(embedded, instance_of_embedded.id, kind="namespace", name="library", repository="", digest="")
    put_entry(embedded, instance_of_embedded.id, kind="namespace", name="team", repository="", digest="")
    put_entry(embedded, instance_of_embedded.id, kind="repository", name="library/other", repository="", digest="")
    put_task(embedded, instance_of_embedded.id, subject={"instance": "ci"})
    put_task(embedded, instance_of_embedded.id, subject={"namespace": "library", "repository": "library/other"})
    tell(embedded)
    assert sorted(receiver.types) == ["namespace.deleted", "task.finished"]


def test_another_instances_events_are_its_own(
    embedded: Stack, instance_of_embedded: Instance, receiver: Receiver
) -> None:
    """X5"""
    make_webhook(Api.signed_in(embedded), receiver.url)
    push(embedded, new_id(), "v1")
    entry = put_entry(embedded, new_id())
    gone = early_event_item(entry)
    embedded.table.put(gone)
    tell(embedded)
    assert receiver.received == []
    assert embedded.table.get(keys.early_event(gone["i2sk"])) is None, "nobody is to be told any more"


def test_a_deleted_manifest_of_many_tags_tells_the_first_hundred(
    embedded: Stack, instance_of_embedded: Instance, receiver: Receiver
) -> None:
    """X5"""
    make_webhook(Api.signed_in(embedded), receiver.url)
    tags = [{"name": f"v{number}", "pushed_at": "", "pushed_by": ""} for number in range(1000)]
    put_entry(embedded, instance_of_embedded.id, kind="manifest", name=DIGEST, tags=tags)
    tell(embedded)
    (event,) = receiver.events
    assert (len(event["data"]["tags"]), event["data"]["tag_count"]) == (100, 1000)


def test_messages_of_a_webhook_that_is_gone_are_harmless(embedded: Stack) -> None:
    embedded.queues.send(DeliverWebhook.queue, ['{"type":"DeliverWebhook","instance_id":"a","webhook_id":"b"}'])
    bring(embedded)
    assert announce(embedded) == []


def test_a_batch_of_rows_that_fail_does_not_hold_up_what_is_behind_them(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5: whosever they are"""
    make_webhook(owner, receiver.url)
    entry = put_entry(stack, instance.id)
    shard, bad = keys.untold(entry.deleted_at, entry.id)["i2pk"], 0
    for number in count():
        waits = keys.untold("2000-01-01T00:00:00.000000Z", f"bad{number}")
        if waits["i2pk"] == shard:
            stack.table.put({**keys.bin_entry("nobody", f"bad{number}")._asdict(), **waits})
            bad += 1
        if bad == BATCH + 5:
            break
    tell(stack)
    assert [event["id"] for event in receiver.events] == [entry.id]
