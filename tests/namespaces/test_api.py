"""Namespaces through the management API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.stacks import make_instance, make_namespace

SPACES = "/instances/ci/namespaces"


@pytest.fixture
def instance(stack: Stack) -> Instance:
    return make_instance(stack)


@pytest.fixture
def owner(stack: Stack, instance: Instance) -> Api:
    return Api.signed_in(stack)


def names(api: Api, **query: object) -> list[str]:
    return [item["name"] for item in api.get(SPACES, **query).json()["items"]]


def test_a_namespace_is_made_read_and_edited(owner: Api) -> None:
    """N1"""
    made = owner.post(SPACES, {"name": "library", "scan_on_push": True})
    assert made.status == 201
    assert made.headers["Location"].endswith("/namespaces/library")
    assert made.json() == {
        "id": made.json()["id"],
        "name": "library",
        "auto_create_repository": False,
        "default_visibility": "private",
        "acceleration": False,
        "scan_on_push": True,
        "allow_sparse_indexes": False,
        "created_at": "2026-01-31T08:00:00.000000Z",
    }
    assert owner.get(f"{SPACES}/library").json() == made.json()
    changes = {
        "auto_create_repository": True,
        "default_visibility": "public",
        "acceleration": True,
        "scan_on_push": False,
        "allow_sparse_indexes": True,
    }
    edited = owner.patch(f"{SPACES}/library", changes)
    assert (edited.status, edited.json()) == (200, {**made.json(), **changes})
    assert owner.get(f"{SPACES}/library").json() == edited.json()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name"}),
        ({"name": "x"}, {"name"}),
        ({"name": "Library"}, {"name"}),
        ({"name": "library\n"}, {"name"}),
        ({"name": "a/b", "scan_on_push": "yes", "colour": "red"}, {"name", "scan_on_push", "colour"}),
        ({"name": "library", "default_visibility": "hidden"}, {"default_visibility"}),
    ],
)
def test_every_bad_field_is_named_and_nothing_is_made(owner: Api, body: dict[str, Any], fields: set[str]) -> None:
    """N1"""
    refused = owner.post(SPACES, body)
    assert (refused.status, refused.code) == (400, "INVALID")
    assert {error["field"] for error in refused.json()["errors"]} == fields
    assert names(owner) == []


def test_a_namespace_cannot_be_renamed(owner: Api) -> None:
    """N1"""
    owner.post(SPACES, {"name": "library"})
    refused = owner.patch(f"{SPACES}/library", {"name": "other"})
    assert refused.json()["errors"] == [{"field": "name", "message": "there is no such field"}]


def test_a_name_taken_is_a_conflict(owner: Api) -> None:
    """N1"""
    owner.post(SPACES, {"name": "library"})
    assert owner.post(SPACES, {"name": "library"}).code == "CONFLICT"


def test_fifty_creations_at_once_leave_what_the_quota_allows(stack: Stack) -> None:
    """I1, I7"""
    instance = make_instance(stack, "small", "personal")
    owner = Api.signed_in(stack)
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(
                lambda number: owner.post("/instances/small/namespaces", {"name": f"space-{number}"}), range(50)
            )
        )
    assert sorted(answer.status for answer in answers) == [201] * 3 + [403] * 47
    assert {answer.code for answer in answers if answer.status == 403} == {"QUOTA_EXCEEDED"}
    assert answers[-1].json()["context"] == {"quota": "namespaces", "limit": 3}
    assert len(owner.get("/instances/small/namespaces").json()["items"]) == 3
    assert Instances(stack).usage(instance).namespaces.used == 3


def test_acceleration_needs_the_enterprise_edition(stack: Stack, owner: Api) -> None:
    """I3"""
    make_instance(stack, "small", "personal")
    spaces = "/instances/small/namespaces"
    refused = owner.post(spaces, {"name": "library", "acceleration": True})
    assert (refused.status, refused.code) == (403, "EDITION_REQUIRED")
    assert owner.post(spaces, {"name": "library"}).status == 201
    assert owner.patch(f"{spaces}/library", {"acceleration": True}).code == "EDITION_REQUIRED"
    assert owner.patch(f"{spaces}/library", {"acceleration": False}).status == 200


def test_lists_are_paged_sorted_and_searched(stack: Stack, owner: Api, instance: Instance) -> None:
    """N1"""
    for name in ("web", "api", "web-tools", "base"):
        make_namespace(stack, instance, name)
    first = owner.get(SPACES, limit=3).json()
    assert [item["name"] for item in first["items"]] == ["api", "base", "web"]
    rest = owner.get(SPACES, limit=3, cursor=first["next"]).json()
    assert ([item["name"] for item in rest["items"]], rest["next"]) == (["web-tools"], None)
    assert names(owner, sort="-name") == ["web-tools", "web", "base", "api"]
    found = owner.get(SPACES, search="w", limit=1).json()
    assert [item["name"] for item in found["items"]] == ["web"]
    assert names(owner, search="w", cursor=found["next"]) == ["web-tools"]
    assert names(owner, search="w", sort="-name", limit=1) == ["web-tools"]
    assert names(owner, search="nothing") == []


@pytest.mark.parametrize("query", [{"cursor": "no cursor"}, {"cursor": "no cursor", "search": "w"}])
def test_a_cursor_of_nobody_is_refused_by_its_name(owner: Api, query: dict[str, object]) -> None:
    """N1"""
    refused = owner.get(SPACES, **query)
    assert (refused.status, refused.json()["errors"][0]["field"]) == (400, "cursor")


@pytest.mark.parametrize("name", ["nowhere", "x", "Library", "%23", "%00", "a%2Fb", "%F0%9F%90%B3" * 100])
def test_what_is_missing_or_no_name_at_all_is_not_found(owner: Api, name: str) -> None:
    """N1"""
    assert owner.get(f"{SPACES}/{name}").code == "NOT_FOUND"
    assert owner.patch(f"{SPACES}/{name}", {"scan_on_push": True}).code == "NOT_FOUND"


def test_readers_and_auditors_change_nothing(stack: Stack, owner: Api) -> None:
    """G5"""
    owner.post(SPACES, {"name": "library"})
    for role in (Role.READER, Role.AUDITOR):
        member = Api.signed_in(stack, role)
        assert names(member) == ["library"]
        assert member.post(SPACES, {"name": "more"}).code == "DENIED"
        assert member.patch(f"{SPACES}/library", {"scan_on_push": True}).code == "DENIED"
    developer = Api.signed_in(stack, Role.DEVELOPER)
    assert developer.post(SPACES, {"name": "more"}).status == 201


def test_two_accounts_with_the_same_names_never_meet(stack: Stack, owner: Api) -> None:
    """G5"""
    make_instance(stack, account_id="other")
    stranger = Api.signed_in(stack, account="other")
    owner.post(SPACES, {"name": "library", "default_visibility": "public"})
    assert names(stranger) == []
    stranger.post(SPACES, {"name": "library"})
    assert stranger.patch(f"{SPACES}/library", {"scan_on_push": True}).status == 200
    assert owner.get(f"{SPACES}/library").json()["scan_on_push"] is False
    assert stranger.get(f"{SPACES}/library").json()["default_visibility"] == "private"
    foreign = Instances(stack).named("default", "ci").id
    assert stranger.get(f"/instances/{foreign}/namespaces/library").code == "NOT_FOUND"
    assert stranger.get(f"/instances/{foreign}/namespaces").code == "NOT_FOUND"
