"""Migrations of whole instances, as tasks (K3)."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from chalicelib.instances.service import Instances
from chalicelib.migration.steps import step
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import RepositoryEdit
from chalicelib.repositories.service import Repositories
from chalicelib.tasks.service import Tasks
from tests.background import run_tasks
from tests.management import Api
from tests.stacks import make_instance, make_namespace

from .asking import items, kept_bytes, shop, start, task


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
