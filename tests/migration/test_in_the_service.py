"""Migrations as tasks, by rules from anywhere (K2)."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import handle
from chalicelib.instances.service import Instances
from chalicelib.migration.steps import step
from chalicelib.notifications.handlers import announce
from chalicelib.ports import migration_keys
from chalicelib.ports.stack import Stack
from chalicelib.tasks.service import Tasks
from tests.background import run_background, run_tasks
from tests.copying.served import LOGIN, House
from tests.management import Api
from tests.registry.test_protocol_sockets import Served
from tests.stacks import FrozenClock, make_instance, make_namespace

from .asking import auth, host, items, kept_bytes, shop, start, task

WRONG = "wrong-horse-battery-42"


def test_images_come_from_another_registry_and_each_is_told_of(stack: Stack, api: Api, elsewhere: House) -> None:
    """K2"""
    make_namespace(stack, make_instance(stack), "team")
    for tag in ("v1", "v2", "test"):
        elsewhere.shop().push(tag, layers=(tag.encode(),))
    rules = f'{{ // all of v\n "{host(elsewhere)}/library/app:/^v/": ["team/app", "team/copy"] }}'
    started = start(api, "ci", images=rules, auth=auth(elsewhere))
    run_tasks(stack)
    assert task(api, "ci", started)["state"] == "succeeded"
    assert items(api, "ci", started) == [
        (f"team/{name}:{tag}", "copied") for name in ("app", "copy") for tag in ("v1", "v2")
    ]
    assert shop(stack, Instances(stack).named("default", "ci"), "team/copy").layers("v2") == [b"v2"]
    assert task(api, "ci", started)["progress"]["total"] == 4
    listed = api.get("/instances/ci/migrations").json()["items"]
    assert [one["id"] for one in listed] == [started["id"]]


def test_a_second_run_moves_nothing(stack: Stack, api: Api, elsewhere: House) -> None:
    """K2"""
    make_namespace(stack, make_instance(stack), "team")
    elsewhere.shop().push("v1")
    order = {"images": {f"{host(elsewhere)}/library/app": "team/app"}, "auth": auth(elsewhere)}
    start(api, "ci", **order)
    run_tasks(stack)
    again = start(api, "ci", **order)
    run_tasks(stack)
    assert task(api, "ci", again)["counts"] == {"unchanged": 1}
    assert task(api, "ci", again)["progress"]["bytes"] == 0


def test_what_fails_stops_nothing_and_a_retry_tries_just_that(stack: Stack, api: Api, elsewhere: House) -> None:
    """K2"""
    instance = make_instance(stack)
    make_namespace(stack, instance, "team")
    elsewhere.shop().push("v1")
    images = {
        f"{host(elsewhere)}/library/app:v1": ["team/app", "missing/app"],
        f"{host(elsewhere)}/library/none": "team/none",
        f"{host(elsewhere)}/library/app:v9": "team/app",
    }
    started = start(api, "ci", images=images, auth=auth(elsewhere))
    run_tasks(stack)
    ended = task(api, "ci", started)
    assert ended["state"] == "failed"
    assert ended["error"].startswith("3 images did not arrive")
    assert ended["counts"] == {"copied": 1, "failed": 3}
    make_namespace(stack, instance, "missing")
    shop(elsewhere.stack, elsewhere.instance, "library/none").push("late", "later")
    elsewhere.shop().push("v9")
    api.post(f"/instances/ci/tasks/{started['id']}/retry")
    run_tasks(stack)
    assert task(api, "ci", started)["state"] == "succeeded"
    assert dict(items(api, "ci", started)) == {
        "missing/app:v1": "copied",
        "team/app:v1": "copied",
        "team/app:v9": "copied",
        "team/none:": "unchanged",
        "team/none:late": "copied",
        "team/none:later": "copied",
    }
    assert "failed" not in task(api, "ci", started)["counts"]


def test_a_login_that_is_not_known_is_asked_once(stack: Stack, api: Api, elsewhere: House) -> None:
    """K2"""
    make_namespace(stack, make_instance(stack), "team")
    for tag in range(5):
        elsewhere.shop().push(f"v{tag}")
    images = {f"{host(elsewhere)}/library/app:v{tag}": "team/app" for tag in range(5)}
    started = start(api, "ci", images=images, auth=auth(elsewhere, WRONG))
    run_tasks(stack)
    assert task(api, "ci", started)["counts"] == {"failed": 5}
    found = api.get(f"/instances/ci/tasks/{started['id']}/items").json()["items"]
    assert {item["reason"].partition(":")[0] for item in found} == {"login_refused"}


def test_a_registry_that_is_down_is_waited_for_and_then_given_up(
    stack: Stack, elsewhere: House, clock: FrozenClock
) -> None:
    """K2: its images fail one after the other, whichever rule wants them; back again, a retry brings them."""
    instance = make_instance(stack)
    make_namespace(stack, instance, "team")
    for tag in ("v1", "v2"):
        elsewhere.shop().push(tag)
    images = {f"{host(elsewhere)}/library/app:v1,v2": "team/app", f"{host(elsewhere)}/library/app": "team/other"}
    order = {"images": images, "auth": auth(elsewhere)}
    started = start(Api.signed_in(stack), "ci", **order)

    def carry_out() -> None:
        pausing_never = {"migration": partial(step, pause=lambda _: None)}
        Tasks(stack).carry_out(instance.id, started["id"], pausing_never)

    elsewhere.server.stop()
    carry_out()
    waiting = task(Api.signed_in(stack), "ci", started)
    assert (waiting["state"], waiting["counts"]) == ("running", {})
    assert "takes no connection" in waiting["waits_for"]
    for _ in range(4):
        clock.advance(400)
        carry_out()
    api = Api.signed_in(stack)
    assert task(api, "ci", started)["counts"] == {"failed": 3}
    found = api.get(f"/instances/ci/tasks/{started['id']}/items").json()["items"]
    assert {item["reason"].partition(":")[0] for item in found} == {"unavailable"}
    elsewhere.server = Served(elsewhere.stack, port=elsewhere.server.address[1])
    api.post(f"/instances/ci/tasks/{started['id']}/retry")
    run_tasks(stack)
    ended = task(api, "ci", started)
    assert (ended["counts"]["copied"], ended["progress"]["done"], ended["progress"]["total"]) == (4, 5, 5)


def test_logins_are_kept_sealed_until_it_succeeded(stack: Stack, api: Api, elsewhere: House) -> None:
    """K2"""
    instance = make_instance(stack)
    make_namespace(stack, instance, "team")
    elsewhere.shop().push("v1")
    order = {"images": {f"{host(elsewhere)}/library/app": "team/app"}, "auth": auth(elsewhere)}
    started = start(api, "ci", **order)
    key = migration_keys.logins(instance.id, started["id"])
    row = stack.table.get(key)
    assert row is not None
    assert LOGIN.password not in str(row)
    tables = b"".join(path.read_bytes() for path in stack.settings.data.glob("*.sqlite3*"))
    assert LOGIN.password.encode() not in tables
    run_tasks(stack)
    assert task(api, "ci", started)["state"] == "succeeded"
    for message in announce(stack):
        handle(stack, message, CHAIN)
    assert stack.table.get(key) is None


def test_after_a_week_a_retry_asks_for_the_logins_anew(
    stack: Stack, api: Api, elsewhere: House, clock: FrozenClock
) -> None:
    """K2"""
    make_namespace(stack, make_instance(stack), "team")
    images = {f"{host(elsewhere)}/library/app:v1": "team/app"}
    started = start(api, "ci", images=images, auth=auth(elsewhere))
    run_tasks(stack)
    clock.advance(8 * 24 * 3600)
    late = Api.signed_in(stack)
    late.post(f"/instances/ci/tasks/{started['id']}/retry")
    run_tasks(stack)
    assert "start it anew" in task(late, "ci", started)["error"]


def test_an_instance_of_the_account_is_read_without_a_login_and_without_moving_bytes(stack: Stack, api: Api) -> None:
    """K3: by its id or its address."""
    here, there = make_instance(stack), make_instance(stack, "far")
    make_namespace(stack, here, "team")
    make_namespace(stack, there, "library")
    shop(stack, there, "library/app").push("v1", layers=(b"x" * 300_000,))
    before = kept_bytes(stack)
    for name in (there.id, Instances(stack).public_address(there)):
        started = start(api, "ci", images={f"{name}/library/app": f"team/{len(name)}"})
        run_tasks(stack)
        assert task(api, "ci", started)["state"] == "succeeded"
        assert task(api, "ci", started)["progress"]["bytes"] == 0
    assert kept_bytes(stack) - before < 10_000


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "images"),
        ({"images": {}, "target_instance": "ci"}, "images"),
        ({"images": {}}, "images"),
        ({"images": {"a.example/x": "b.example/x/y"}}, "images"),
        ({"images": {"a.example/x": "UPPER/y"}}, "images"),
        ({"images": {"a.example/x": "nonamespace"}}, "images"),
        ({"images": '{"a.example/x": }'}, "images"),
        ({"images": {"a.example/x": "x/y"}, "auth": {"a.example": {"password": "${HOME}", "username": "x"}}}, "auth"),
        ({"images": {"a.example/x": "x/y"}, "namespaces": ["x1"]}, "namespaces"),
        ({"target_instance": "ci"}, "target_instance"),
        ({"target_instance": "ci", "auth": {}}, "auth"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    stack: Stack, api: Api, body: dict[str, Any], field: str
) -> None:
    """K2"""
    make_instance(stack)
    answer = api.post("/instances/ci/migrations", body)
    assert answer.status == 400
    assert {error["field"] for error in answer.json()["errors"]} == {field}
    assert api.get("/instances/ci/tasks").json()["items"] == []


def test_another_accounts_instance_is_no_source(stack: Stack, api: Api) -> None:
    """K3"""
    make_namespace(stack, make_instance(stack), "team")
    Api.signed_in(stack, account="other")
    strange = make_instance(stack, "far", account_id="other")
    answer = api.post("/instances/ci/migrations", {"images": {f"{strange.id}/library/app": "team/app"}})
    assert answer.status == 400
    assert api.post("/instances/ci/migrations", {"target_instance": strange.id}).status == 404


def test_an_instance_that_goes_takes_what_its_migrations_kept_with_it(stack: Stack, api: Api) -> None:
    """K2"""
    instance = make_instance(stack)
    make_namespace(stack, instance, "team")
    start(api, "ci", images={"registry.example.com/a/b:v1": "team/b"}, auth={"registry.example.com": {}})
    assert stack.table.query(migration_keys.partition(instance.id)).items
    assert api.delete("/instances/ci", confirm="ci").status == 202
    run_background(stack)
    assert not stack.table.query(migration_keys.partition(instance.id)).items
