"""Webhooks through the API: made, narrowed, changed, tried, followed, deleted (X5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.instances.models import Instance
from chalicelib.kernel.roles import Role
from chalicelib.notifications.service import MOST_WEBHOOKS
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.stacks import FrozenClock, embedded_stack, make_instance

from .receiver import Receiver
from .story import PATH, bring, make_webhook, push, tell

URL = "https://hooks.example.com/images"


def test_webhooks_are_made_shown_changed_and_deleted(stack: Stack, owner: Api) -> None:
    """X5"""
    made = owner.post(PATH, {"url": URL, "events": ["image.pushed", "image.pushed"], "description": "the farm"})
    assert made.status == 201
    webhook = made.json()
    assert webhook.pop("secret").startswith("whsec_")
    assert (webhook["events"], webhook["namespaces"], webhook["state"]) == (["image.pushed"], "**", "working")
    assert owner.get(made.headers["Location"].removeprefix("/api/v1")).json() == webhook
    assert owner.get(PATH).json()["items"] == [webhook]
    changed = owner.patch(f"{PATH}/{webhook['id']}", {"enabled": False, "tags": "v*", "events": ["task.finished"]})
    assert changed.json() == {
        **webhook, "enabled": False, "state": "disabled", "tags": "v*", "events": ["task.finished"],
    }  # fmt: skip
    assert owner.delete(f"{PATH}/{webhook['id']}").status == 204
    assert owner.get(f"{PATH}/{webhook['id']}").status == 404
    assert owner.get(PATH).json()["items"] == []
    assert owner.delete(f"{PATH}/{webhook['id']}").status == 404


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["url", "events"]),
        ({"url": URL, "events": []}, ["events"]),
        ({"url": URL, "events": ["image.exploded"]}, ["events.0"]),
        ({"url": URL, "events": ["image.pushed"], "tags": "v*x"}, ["tags"]),
        ({"url": URL, "events": ["image.pushed"], "namespaces": ""}, ["namespaces"]),
        ({"url": URL, "description": "x" * 201}, ["events", "description"]),
        ({"url": URL, "events": ["image.pushed"], "secret": "mine"}, ["secret"]),
        ({"url": "https://169.254.169.254/latest", "events": ["image.pushed"]}, ["url"]),
        ({"url": "https://user:pw@hooks.example.com/", "events": ["image.pushed"]}, ["url"]),
        ({"url": "gopher://hooks.example.com/", "events": ["image.pushed"]}, ["url"]),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_is_named(
    embedded: Stack, instance_of_embedded: Instance, body: dict[str, Any], fields: list[str]
) -> None:
    """X5, P2"""
    refused = Api.signed_in(embedded).post(PATH, body)
    assert refused.status == 400
    assert sorted(error["field"] for error in refused.json()["errors"]) == sorted(fields)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/", "https://127.0.0.1/", "https://10.0.0.1/", "https://[::1]/", "https://0.0.0.0/",
        "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/", "https://[fe80::1]/", "https://2130706433/",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_unless_the_operator_allows_them(tmp_path: Any, url: str) -> None:
    """X5, DESIGN §7"""
    with embedded_stack(tmp_path, FrozenClock()) as stack:
        make_instance(stack)
        owner = Api.signed_in(stack)
        answer = owner.post(PATH, {"url": url, "events": ["image.pushed"]})
        if answer.status == 201:  # A host name by its look; what it means is looked at with every attempt.
            owner.post(f"{PATH}/{answer.json()['id']}/test")
            tell(stack)
            (made,) = owner.get(f"{PATH}/{answer.json()['id']}/deliveries").json()["items"]
            assert (made["state"], made["last_status"]) == ("failed", None)
        else:
            assert answer.json()["errors"][0]["field"] == "url"
        good = make_webhook(owner, URL)
        assert owner.patch(f"{PATH}/{good['id']}", {"url": "https://10.0.0.1/"}).status == 400


def test_webhooks_are_found_and_sorted(embedded: Stack, instance_of_embedded: Instance) -> None:
    """X5, C1"""
    owner = Api.signed_in(embedded)
    for host in ("b", "c", "a"):
        make_webhook(owner, f"http://127.0.0.1:9/{host}", description=f"Room {host}")
    urls = [one["url"][-1] for one in owner.get(PATH, sort="-url").json()["items"]]
    first = owner.get(PATH, limit=2).json()
    assert (urls, [one["url"][-1] for one in first["items"]]) == (["c", "b", "a"], ["b", "c"])
    assert [one["url"][-1] for one in owner.get(PATH, cursor=first["next"]).json()["items"]] == ["a"]
    assert [one["url"][-1] for one in owner.get(PATH, search="room C").json()["items"]] == ["c"]


def test_an_instance_has_at_most_twenty(embedded: Stack, instance_of_embedded: Instance) -> None:
    """X5"""
    owner = Api.signed_in(embedded)
    webhooks = [make_webhook(owner, URL) for _ in range(MOST_WEBHOOKS)]
    refused = owner.post(PATH, {"url": URL, "events": ["image.pushed"]})
    assert (refused.status, refused.code) == (409, "CONFLICT")
    owner.delete(f"{PATH}/{webhooks[0]['id']}")
    make_webhook(owner, URL)
    first = owner.get(PATH, limit=12).json()
    second = owner.get(PATH, limit=12, cursor=first["next"]).json()
    assert len(first["items"]) + len(second["items"]) == MOST_WEBHOOKS


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.READER, Role.AUDITOR])
def test_only_owners_change_webhooks_and_auditors_see_them(
    embedded: Stack, instance_of_embedded: Instance, role: Role
) -> None:
    """X5, G5: an address may hold a token, and a webhook carries names of images away."""
    webhook = make_webhook(Api.signed_in(embedded), URL)
    other = Api.signed_in(embedded, role)
    assert other.get(f"{PATH}/{webhook['id']}").status == (200 if role is Role.AUDITOR else 403)
    assert other.post(f"{PATH}/{webhook['id']}/secret").status == 403
    assert other.post(f"{PATH}/{webhook['id']}/test").status == 403
    assert other.patch(f"{PATH}/{webhook['id']}", {"url": URL}).status == 403


def test_an_answer_with_a_secret_is_not_kept_for_a_replay(embedded: Stack, instance_of_embedded: Instance) -> None:
    """X5"""
    owner, body = Api.signed_in(embedded), {"url": URL, "events": ["image.pushed"]}
    once = replace(owner, headers={"idempotency-key": "once"})
    assert [once.post(PATH, body).status for _ in range(2)] == [201, 409]
    assert len(owner.get(PATH).json()["items"]) == 1


def test_a_webhook_is_tried_at_once_and_once(stack: Stack, owner: Api, receiver: Receiver) -> None:
    """X5"""
    webhook = make_webhook(owner, receiver.url, events=["namespace.deleted"])
    receiver.status = 500
    tried = owner.post(f"{PATH}/{webhook['id']}/test")
    assert (tried.status, tried.json()["state"]) == (201, "pending")
    bring(stack)
    shown = owner.get(tried.headers["Location"].removeprefix("/api/v1")).json()
    assert (shown["type"], shown["state"], shown["last_status"]) == ("webhook.test", "failed", 500)
    assert owner.get(f"{PATH}/{webhook['id']}").json()["state"] == "working", "a try is no failure of the webhook's"
    owner.patch(f"{PATH}/{webhook['id']}", {"enabled": False})
    assert owner.post(f"{PATH}/{webhook['id']}/test").status == 409


def test_a_try_goes_to_a_webhook_that_is_held_too(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5: people who have mended their server want to know."""
    webhook = make_webhook(owner, receiver.url)
    receiver.status = 500
    for number in range(5):
        push(stack, instance.id, f"v{number}")
    tell(stack)
    receiver.received.clear()
    owner.post(f"{PATH}/{webhook['id']}/test")
    bring(stack)
    assert receiver.types == ["webhook.test"]


def test_a_delivery_is_made_again_when_asked_whatever_became_of_it(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    webhook = make_webhook(owner, receiver.url)
    push(stack, instance.id, "v1")
    bring(stack)
    (listed,) = owner.get(f"{PATH}/{webhook['id']}/deliveries", state="delivered").json()["items"]
    path = f"{PATH}/{webhook['id']}/deliveries/{listed['id']}"
    again = owner.post(f"{path}/redeliver")
    assert (again.status, again.json()["state"]) == (200, "pending")
    bring(stack)
    assert [one.headers["webhook-id"] for one in receiver.received] == [listed["id"]] * 2
    assert len(owner.get(path).json()["attempts"]) == 2
    owner.patch(f"{PATH}/{webhook['id']}", {"enabled": False})
    assert owner.post(f"{path}/redeliver").status == 409


def test_the_log_is_paged_newest_first_filtered_and_kept_for_thirty_days(
    stack: Stack, clock: FrozenClock, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    webhook = make_webhook(owner, receiver.url)
    path = f"{PATH}/{webhook['id']}/deliveries"
    receiver.statuses = [204, 410]
    for number in range(5):
        push(stack, instance.id, f"v{number}")
        clock.advance(1)
    tell(stack)
    first = owner.get(path, limit=3).json()
    second = owner.get(path, limit=3, cursor=first["next"]).json()
    subjects = [one["subject"] for one in [*first["items"], *second["items"]]]
    assert subjects == [f"library/app:v{number}" for number in (4, 3, 2, 1, 0)]
    assert [one["subject"] for one in owner.get(path, state="failed").json()["items"]] == ["library/app:v1"]
    assert [one["subject"] for one in owner.get(path, state="delivered").json()["items"]] == ["library/app:v0"]
    oldest = owner.get(path, search=":v", sort="created_at", type="image.pushed", limit=2).json()
    assert [one["subject"] for one in oldest["items"]] == ["library/app:v0", "library/app:v1"]
    assert owner.get(path, type="image.deleted").json()["items"] == []
    assert [one["subject"] for one in owner.get(path, search=":v3").json()["items"]] == ["library/app:v3"]
    assert owner.get(path, state="lost").json()["errors"][0]["field"] == "state"
    assert owner.get(path, cursor="x").json()["errors"][0]["field"] == "cursor"
    assert owner.get(f"{path}/nothing").status == 404
    clock.advance(30 * 86400)
    assert Api.signed_in(stack).get(path).json()["items"] == []


def test_a_deleted_webhook_leaves_nothing_in_the_table(
    stack: Stack, instance: Instance, owner: Api, receiver: Receiver
) -> None:
    """X5"""
    webhook = make_webhook(owner, receiver.url)
    push(stack, instance.id, "v1")
    (row,) = stack.table.query(keys.deliveries_partition(webhook["id"])).items
    stack.table.put_many([{**row, "sk": f"{row['sk'][:-2]}{number}"} for number in range(10, 70)])
    owner.delete(f"{PATH}/{webhook['id']}")
    tell(stack)
    assert receiver.received == []
    assert stack.table.query(keys.webhooks_partition(instance.id)).items == ()
    assert stack.table.query(keys.deliveries_partition(webhook["id"])).items == ()


def test_what_is_done_with_webhooks_stands_in_the_audit_record_without_secrets(
    embedded: Stack, clock: FrozenClock, instance_of_embedded: Instance
) -> None:
    """G1, X5"""
    owner = Api.signed_in(embedded)
    webhook = make_webhook(owner, f"{URL}?token=hidden")
    clock.advance(1)
    rotated = owner.post(f"{PATH}/{webhook['id']}/secret").json()
    clock.advance(1)
    owner.delete(f"{PATH}/{webhook['id']}")
    found = owner.get("/instances/ci/audit-events", object_type="webhook")
    assert [(one["action"], one["object"]) for one in found.json()["items"]] == [
        (action, webhook["id"]) for action in ("delete", "rotate", "create")
    ]
    assert not any(text in found.text for text in ("hidden", webhook["secret"], rotated["secret"]))
