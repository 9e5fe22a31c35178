"""Instances through the API: what an account sees of its own, and what it may change."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.instances.buckets import Buckets
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.stacks import BUCKET, FrozenClock, embedded_stack, make_instance

DAY_S = 86_400


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock, internal_port=5001) as opened:
        yield opened


def test_an_instance_shows_where_it_is_reached_and_what_was_bought(stack: Stack, clock: FrozenClock) -> None:
    """I7"""
    instance = make_instance(stack, expires_at=clock.now() + timedelta(days=30), auto_renew=True)
    for ref in (instance.id, "ci"):
        answer = Api.signed_in(stack).get(f"/instances/{ref}")
        assert answer.status == 200
        assert answer.json() == {
            "id": instance.id,
            "name": "ci",
            "edition": "enterprise",
            "state": "running",
            "bucket": BUCKET,
            "region": "local",
            "expires_at": "2026-03-02T08:00:00.000000Z",
            "auto_renew": True,
            "namespace_packs": 0,
            "repository_packs": 0,
            "unpaid_since": None,
            "public_address": f"{instance.label}.localhost:5000",
            "internal_address": f"{instance.label}.localhost:5001",
            "created_at": "2026-01-31T08:00:00.000000Z",
        }


def test_an_expired_instance_shows_frozen_before_any_schedule_ran_and_stays_readable(
    stack: Stack, clock: FrozenClock
) -> None:
    """I6"""
    make_instance(stack, expires_at=clock.now() + timedelta(days=30))
    api = Api.signed_in(stack)
    clock.advance(30 * DAY_S)
    api = Api.signed_in(stack)
    assert api.get("/instances/ci").json()["state"] == "frozen"
    assert api.get("/instances").json()["items"][0]["state"] == "frozen"
    assert api.patch("/instances/ci", {"auto_renew": True}).status == 200


def test_an_account_sees_its_own_instances_in_name_order_page_by_page(stack: Stack) -> None:
    """G5"""
    for name in ("web", "ci", "base"):
        make_instance(stack, name)
    make_instance(stack, "ci", account_id="other")
    api = Api.signed_in(stack, Role.READER)
    first = api.get("/instances", limit=2).json()
    assert [one["name"] for one in first["items"]] == ["base", "ci"]
    rest = api.get("/instances", limit=2, cursor=first["next"]).json()
    assert ([one["name"] for one in rest["items"]], rest["next"]) == (["web"], None)
    assert [one["name"] for one in api.get("/instances", search="e").json()["items"]] == ["base", "web"]
    found = api.get("/instances", limit=1, search="e").json()
    rest = api.get("/instances", limit=1, search="e", cursor=found["next"]).json()
    assert [one["name"] for one in found["items"] + rest["items"]] == ["base", "web"]
    assert api.get("/instances", search="e", cursor="-").json()["errors"][0]["field"] == "cursor"


def test_another_accounts_instance_answers_like_one_that_is_not_there(stack: Stack) -> None:
    """G5"""
    foreign = make_instance(stack, account_id="other")
    api = Api.signed_in(stack)
    answers = [api.get(f"/instances/{ref}").json() for ref in (foreign.id, "ci", "nowhere", "%00", foreign.id[::-1])]
    for answer in answers:
        answer.pop("request_id")
    assert all(answer == answers[0] and answer["code"] == "NOT_FOUND" for answer in answers)


def test_auto_renewal_is_the_owners_to_set_and_of_no_use_where_nothing_expires(
    stack: Stack, clock: FrozenClock
) -> None:
    """I5"""
    make_instance(stack, expires_at=clock.now() + timedelta(days=30))
    make_instance(stack, "eternal")
    owner = Api.signed_in(stack)
    assert owner.patch("/instances/ci", {"auto_renew": True}).json()["auto_renew"] is True
    assert Instances(stack).named("default", "ci").auto_renew is True
    refused = owner.patch("/instances/eternal", {"auto_renew": True})
    assert (refused.status, refused.json()["errors"][0]["field"]) == (400, "auto_renew")
    assert owner.patch("/instances/ci", {"name": "other"}).json()["errors"][0]["field"] == "name"
    for role in (Role.DEVELOPER, Role.READER, Role.AUDITOR):
        assert Api.signed_in(stack, role).patch("/instances/ci", {"auto_renew": False}).status == 403


def test_of_many_changes_at_once_none_overwrites_another(stack: Stack) -> None:
    instance = make_instance(stack)
    instances = Instances(stack)

    def change(number: int) -> bool:
        try:
            instances.change(instance, namespace_packs=number)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(change, range(1, 17))) == 1
    assert instances.load(instance.id).version == 2


def test_what_older_versions_wrote_can_still_be_changed(stack: Stack) -> None:
    """An item without version and due time, as it was before instances had them."""
    instance = make_instance(stack)
    item = dict(stack.table.get(keys.instance(instance.id)) or {})
    for name in ("version", "auto_renew", "stood_still_s", "untold"):
        item.pop(name)
    stack.table.put(item)
    instances = Instances(stack)
    assert instances.change(instances.load(instance.id), namespace_packs=1).version == 2
    assert instances.load(instance.id).namespace_packs == 1


@pytest.mark.parametrize("ref", ["%C3%A9" * 512, "%F0%9F%98%80" * 400, "%00", "ci%23", "PERSONAL", "a" * 600])
def test_what_is_no_name_is_answered_as_an_instance_that_is_missing(stack: Stack, ref: str) -> None:
    """G5. Encoded, some of these are longer than any key may be."""
    owner = Api.signed_in(stack)
    missing = owner.get("/instances/nothing").json()
    answer = owner.get(f"/instances/{ref}")
    assert (answer.status, answer.json()["detail"]) == (404, missing["detail"])


def test_an_account_has_one_personal_instance_and_may_have_it_again_after_its_deletion(stack: Stack) -> None:
    """I1"""
    first = make_instance(stack, "small", "personal")
    with pytest.raises(Conflict, match="personal"):
        make_instance(stack, "second", "personal")
    make_instance(stack, "second", "personal", account_id="other")
    instances = Instances(stack)
    with pytest.raises(Conflict):
        instances.forget(first)
    releasing = instances.change(first, state="releasing")
    instances.forget(releasing)
    instances.forget(releasing)
    assert make_instance(stack, "small", "personal").id != first.id


def test_a_bucket_that_is_claimed_again_keeps_the_time_of_its_first_claim(stack: Stack, clock: FrozenClock) -> None:
    """I2. Each opening claims the bucket that it is to lie in."""
    buckets = Buckets(stack)
    buckets.claim("default", "team-images")
    clock.advance(3600)
    buckets.claim("default", "team-images")
    listed = Api.signed_in(stack).get("/buckets").json()["items"]
    assert listed == [{"name": "team-images", "claimed_at": "2026-01-31T08:00:00.000000Z"}]
    with pytest.raises(Conflict, match="another account"):
        buckets.claim("other", "team-images")


def test_the_list_goes_both_ways_and_tells_of_use_if_it_is_asked_to(stack: Stack) -> None:
    """I7, C1"""
    api = Api.signed_in(stack)
    for name in ("alpha", "beta", "gamma"):
        make_instance(stack, name)
    api.post("/instances/beta/namespaces", {"name": "library"})
    page = api.get("/instances", sort="-name", usage="true", limit=2).json()
    assert [(one["name"], one["usage"]["namespaces"]["used"]) for one in page["items"]] == [("gamma", 0), ("beta", 1)]
    found = api.get("/instances", sort="-name", search="a", limit=2).json()
    following = api.get("/instances", sort="-name", search="a", limit=2, cursor=found["next"]).json()
    assert [one["name"] for one in (*found["items"], *following["items"])] == ["gamma", "beta", "alpha"]
    assert found["items"][0]["usage"] is None
