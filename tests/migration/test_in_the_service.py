"""Migrations as tasks: by rules from anywhere, and of whole instances."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import handle
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.names import RepositoryName
from chalicelib.migration.steps import step
from chalicelib.namespaces.service import Namespaces
from chalicelib.notifications.handlers import announce
from chalicelib.ports import migration_keys
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import RepositoryEdit
from chalicelib.repositories.service import Repositories
from chalicelib.tasks.service import Tasks
from tests.background import run_background, run_tasks
from tests.copying.served import LOGIN, House, house
from tests.copying.shops import Shop
from tests.management import Api
from tests.registry.test_protocol_sockets import Served
from tests.stacks import BUCKET, FrozenClock, embedded_stack, make_instance, make_namespace

WRONG = "wrong-horse-battery-42"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path / "here", clock, allow_private_addresses=True) as opened:
        yield opened


@pytest.fixture
def api(stack: Stack) -> Api:
    return Api.signed_in(stack)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "there") as opened:
        yield opened


def host(elsewhere: House) -> str:
    return f"127.0.0.1:{elsewhere.server.address[1]}"


def auth(elsewhere: House, password: str = LOGIN.password) -> dict[str, Any]:
    return {host(elsewhere): {"username": LOGIN.username, "password": password, "insecure": True}}


def shop(stack: Stack, instance: Instance, name: str) -> Shop:
    return Shop(stack, instance, RepositoryName(name))


def start(api: Api, instance: str, **body: Any) -> dict[str, Any]:
    answer = api.post(f"/instances/{instance}/migrations", body)
    assert answer.status == 202, answer.text
    started: dict[str, Any] = answer.json()
    return started


def task(api: Api, instance: str, started: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = api.get(f"/instances/{instance}/tasks/{started['id']}").json()
    return shown


def items(api: Api, instance: str, started: dict[str, Any]) -> list[tuple[str, str]]:
    found = api.get(f"/instances/{instance}/tasks/{started['id']}/items", limit=200).json()["items"]
    return [(item["id"], item["verdict"]) for item in found]


def kept_bytes(stack: Stack) -> int:
    """Each file once, however many names it has."""
    files = (stack.settings.data / "buckets" / BUCKET).rglob("*")
    found = {one.stat().st_ino: one.stat().st_size for one in files if one.is_file()}
    return sum(found.values())


# By rules


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


# Whole instances


def test_a_personal_instance_goes_into_an_enterprise_one_whole_and_moves_nothing(stack: Stack, api: Api) -> None:
    """K3: namespaces with their switches, repositories with what they say, tags and signatures."""
    personal, target = make_instance(stack, "mine", "personal"), make_instance(stack)
    make_namespace(stack, personal, "tools", auto_create_repository=True, default_visibility="public")
    make_namespace(stack, personal, "team")
    source = shop(stack, personal, "team/app")
    digest = source.push("v1", layers=(b"y" * 300_000,))
    source.push_index("multi", b"amd64", b"arm64")
    signature = source.sign(digest)
    shop(stack, personal, "tools/cli").push("a", "b")
    Repositories(stack).edit(personal, "team/app", RepositoryEdit(summary="ours", visibility="public"))
    before = kept_bytes(stack)
    started = start(api, "mine", target_instance="ci")
    run_tasks(stack)
    assert task(api, "mine", started)["state"] == "succeeded"
    assert items(api, "mine", started) == [
        (f"{name}", "copied") for name in ("team/app:multi", "team/app:v1", "tools/cli:a", "tools/cli:b")
    ]
    made = Repositories(stack).get(target.id, "team/app", fresh=True)
    assert (made.summary, made.visibility) == ("ours", "public")
    assert Namespaces(stack).get(target.id, "tools").default_visibility == "public"
    assert shop(stack, target, "team/app").referrers(digest) == [signature]
    assert shop(stack, target, "team/app").digest("multi") == source.digest("multi")
    assert kept_bytes(stack) - before < 10_000
    again = start(api, "mine", target_instance="ci")
    run_tasks(stack)
    assert task(api, "mine", again)["counts"] == {"unchanged": 4}


@pytest.mark.parametrize("whole", [True, False])
def test_step_by_step_each_image_is_brought_and_counted_once(stack: Stack, api: Api, whole: bool) -> None:
    """K3, K2: and what failed is tried again step by step too."""
    source, target = make_instance(stack, "from"), make_instance(stack, "mine", "personal")
    for name in ("n1", "n2", "n3", "n4"):
        make_namespace(stack, source, name)
        for repository in ("a", "b"):
            shop(stack, source, f"{name}/{repository}").push("v1", "v2", "v3")
    images = {
        f"{source.id}/{name}/{repository}": f"{name}/{repository}"
        for name in ("n1", "n2", "n3", "n4")
        for repository in ("a", "b")
    }
    if whole:
        home, started = source, start(api, "from", target_instance="mine")
    else:
        for name in ("n1", "n2", "n3"):
            make_namespace(stack, target, name)
        home, started = target, start(api, "mine", images=images)

    def until_it_ends() -> dict[str, Any]:
        for _ in range(60):
            bounded = {"migration": partial(step, at_most=2)}
            if not Tasks(stack).carry_out(home.id, started["id"], bounded):
                return task(api, home.name, started)
        raise AssertionError

    ended = until_it_ends()
    failed = 2 if whole else 6
    assert (ended["state"], ended["counts"]) == ("failed", {"copied": 18, "failed": failed})
    assert ended["progress"]["done"] == ended["progress"]["total"] == 18 + failed
    Instances(stack).change(Instances(stack).load(target.id), namespace_limit=4)
    if not whole:
        make_namespace(stack, Instances(stack).load(target.id), "n4")
    api.post(f"/instances/{home.name}/tasks/{started['id']}/retry")
    ended = until_it_ends()
    assert ended["state"] == "succeeded", ended
    assert ended["counts"]["copied"] == 24
    assert "failed" not in ended["counts"]
    assert (
        sorted(verdict for name, verdict in items(api, home.name, started) if not name.endswith(":")) == ["copied"] * 24
    )


def test_only_the_namespaces_that_are_named_go_along(stack: Stack, api: Api) -> None:
    """K3"""
    personal, target = make_instance(stack, "mine", "personal"), make_instance(stack)
    for name in ("one", "two", "three"):
        make_namespace(stack, personal, name)
        shop(stack, personal, f"{name}/app").push("v1")
    start(api, "mine", target_instance="ci", namespaces=["two", "one"])
    run_tasks(stack)
    assert [one.name for one in Namespaces(stack).list(target.id).items] == ["one", "two"]
    assert api.post("/instances/mine/migrations", {"target_instance": "ci", "namespaces": ["none"]}).status == 404


def test_names_that_begin_alike_are_all_brought_step_by_step(stack: Stack, api: Api) -> None:
    """K3: `a-b/app` comes before `a/app`, though `a` comes before `a-b`."""
    source, target = make_instance(stack, "from"), make_instance(stack)
    for name in ("a1", "a1-b", "a1.c"):
        make_namespace(stack, source, name)
        shop(stack, source, f"{name}/app").push("v1", "v2")
    started = start(api, "from", target_instance="ci", namespaces=["a1.c", "a1", "a1-b"])
    while Tasks(stack).carry_out(source.id, started["id"], {"migration": partial(step, at_most=1)}):
        pass
    assert task(api, "from", started)["counts"] == {"copied": 6}
    assert [one.name for one in Namespaces(stack).list(target.id).items] == ["a1", "a1-b", "a1.c"]


def test_a_quota_fails_what_it_keeps_out_and_nothing_else(stack: Stack, api: Api) -> None:
    """K3: and once there is room a retry brings just that."""
    source, target = make_instance(stack, "from"), make_instance(stack, "mine", "personal")
    for name in ("n1", "n2", "n3", "n4"):
        make_namespace(stack, source, name)
        shop(stack, source, f"{name}/app").push("v1", "v2")
    started = start(api, "from", target_instance="mine")
    run_tasks(stack)
    assert task(api, "from", started)["counts"] == {"copied": 6, "failed": 1}
    Instances(stack).change(Instances(stack).load(target.id), namespace_limit=4)
    api.post(f"/instances/from/tasks/{started['id']}/retry")
    run_tasks(stack)
    ended = task(api, "from", started)
    assert (ended["state"], ended["counts"]["copied"]) == ("succeeded", 8)


def test_without_override_tags_of_the_target_stay(stack: Stack, api: Api) -> None:
    """K3"""
    source, target = make_instance(stack, "from"), make_instance(stack)
    for instance in (source, target):
        make_namespace(stack, instance, "team")
    shop(stack, source, "team/app").push("v1", layers=(b"new",))
    shop(stack, target, "team/app").push("v1", layers=(b"old",))
    left = start(api, "from", target_instance="ci", override=False)
    run_tasks(stack)
    assert task(api, "from", left)["counts"] == {"left": 1}
    start(api, "from", target_instance="ci")
    run_tasks(stack)
    assert shop(stack, target, "team/app").layers("v1") == [b"new"]


def test_an_instance_that_goes_takes_what_its_migrations_kept_with_it(stack: Stack, api: Api) -> None:
    """K2"""
    instance = make_instance(stack)
    make_namespace(stack, instance, "team")
    start(api, "ci", images={"registry.example.com/a/b:v1": "team/b"}, auth={"registry.example.com": {}})
    assert stack.table.query(migration_keys.partition(instance.id)).items
    assert api.delete("/instances/ci", confirm="ci").status == 202
    run_background(stack)
    assert not stack.table.query(migration_keys.partition(instance.id)).items
