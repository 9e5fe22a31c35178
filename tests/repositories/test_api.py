"""Repositories through the management API."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.repositories.service import Repositories
from tests.management import Api
from tests.stacks import make_instance, make_namespace, with_table

ALL = "/instances/ci/repositories"
LIBRARY = "/instances/ci/namespaces/library/repositories"


@pytest.fixture
def instance(stack: Stack) -> Instance:
    made = make_instance(stack)
    make_namespace(stack, made, "library", default_visibility="public")
    return made


@pytest.fixture
def owner(stack: Stack, instance: Instance) -> Api:
    return Api.signed_in(stack)


def fill(stack: Stack, instance: Instance, *names: str) -> None:
    for name in names:
        Repositories(stack).create(instance, RepositoryName.parse(name), "private", "admin")


def names(api: Api, path: str = ALL, **query: object) -> list[str]:
    reply = api.get(path, **query)
    assert reply.status == 200, reply.text
    return [item["full_name"] for item in reply.json()["items"]]


def test_a_repository_is_made_read_and_edited(owner: Api, stack: Stack, instance: Instance) -> None:
    """N3"""
    made = owner.post(LIBRARY, {"name": "nginx/arm", "summary": "ours", "visibility": "private"})
    assert made.status == 201
    body = made.json()
    assert body == {
        "id": body["id"],
        "name": "nginx/arm",
        "namespace": "library",
        "full_name": "library/nginx/arm",
        "address": f"{Instances(stack).public_address(instance)}/library/nginx/arm",
        "summary": "ours",
        "visibility": "private",
        "acceleration": False,
        "namespace_acceleration": False,
        "kind": "",
        "created_at": "2026-01-31T08:00:00.000000Z",
        "created_by": "owner",
    }
    path = made.headers["Location"].removeprefix("/api/v1")
    assert owner.get(path).json() == body
    edited = owner.patch(path, {"visibility": "public", "acceleration": True, "summary": ""})
    assert (edited.status, edited.json()["visibility"], edited.json()["acceleration"]) == (200, "public", True)
    assert owner.get(path).json() == edited.json()
    assert Repositories(stack).get(instance.id, "library/nginx/arm").visibility == "public"


def test_visibility_is_the_namespaces_where_nobody_says_it(owner: Api) -> None:
    """N1, N3"""
    assert owner.post(LIBRARY, {"name": "x"}).json()["visibility"] == "public"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name"}),
        ({"name": "Nginx"}, {"name"}),
        ({"name": "x/"}, {"name"}),
        ({"name": "x" * 250}, {"name"}),
        ({"name": 7, "visibility": "hidden", "acceleration": "on"}, {"name", "visibility", "acceleration"}),
        ({"name": "x", "summary": "s" * 1001, "colour": "red"}, {"summary", "colour"}),
    ],
)
def test_every_bad_field_is_named_and_nothing_is_made(owner: Api, body: dict[str, Any], fields: set[str]) -> None:
    """N3"""
    refused = owner.post(LIBRARY, body)
    assert (refused.status, refused.code) == (400, "INVALID")
    assert {error["field"] for error in refused.json()["errors"]} == fields
    assert names(owner) == []


def test_a_name_taken_is_a_conflict_and_a_namespace_missing_is_not_found(owner: Api) -> None:
    """N3"""
    owner.post(LIBRARY, {"name": "x"})
    assert owner.post(LIBRARY, {"name": "x"}).code == "CONFLICT"
    assert owner.post("/instances/ci/namespaces/nowhere/repositories", {"name": "x"}).code == "NOT_FOUND"
    assert owner.get("/instances/ci/namespaces/nowhere/repositories").code == "NOT_FOUND"


def test_the_repository_quota_is_named_when_it_is_used_up(stack: Stack) -> None:
    """I1, I7"""
    instance = make_instance(stack, "small", "personal")
    make_namespace(stack, instance)
    fill(stack, instance, *(f"library/x{number}" for number in range(100)))
    refused = Api.signed_in(stack).post("/instances/small/namespaces/library/repositories", {"name": "one-more"})
    assert (refused.status, refused.code) == (403, "QUOTA_EXCEEDED")
    assert refused.json()["context"] == {"quota": "repositories", "limit": 100}


def test_acceleration_needs_the_enterprise_edition(stack: Stack, owner: Api) -> None:
    """I3"""
    make_namespace(stack, make_instance(stack, "small", "personal"))
    path = "/instances/small/namespaces/library/repositories"
    assert owner.post(path, {"name": "x", "acceleration": True}).code == "EDITION_REQUIRED"
    assert owner.post(path, {"name": "x"}).status == 201
    assert owner.patch(f"{path}/x", {"acceleration": True}).code == "EDITION_REQUIRED"


def test_the_switch_is_read_only_where_the_namespaces_is_on(owner: Api) -> None:
    """A1"""
    owner.post(LIBRARY, {"name": "x"})
    owner.patch("/instances/ci/namespaces/library", {"acceleration": True})
    assert owner.get(f"{LIBRARY}/x").json()["namespace_acceleration"] is True
    refused = owner.patch(f"{LIBRARY}/x", {"acceleration": True})
    assert (refused.status, refused.json()["errors"][0]["field"]) == (400, "acceleration")
    assert "library" in refused.json()["detail"]
    assert owner.patch(f"{LIBRARY}/x", {"acceleration": False, "summary": "ours"}).status == 200


def test_lists_are_filtered_by_name_beginning_part_and_kind(stack: Stack, owner: Api, instance: Instance) -> None:
    """N3, H1"""
    make_namespace(stack, instance, "web")
    fill(stack, instance, "library/api", "library/base/api", "library/web", "web/api", "web/shop")
    Repositories(stack).mark_kind(Repositories(stack).get(instance.id, "web/shop"), "chart")
    everything = ["library/api", "library/base/api", "library/web", "web/api", "web/shop"]
    assert names(owner) == everything
    assert names(owner, sort="-name") == everything[::-1]
    assert names(owner, prefix="web/s") == ["web/shop"]
    assert names(owner, search="web") == ["library/web", "web/api", "web/shop"]
    assert names(owner, kind="chart") == ["web/shop"]
    assert names(owner, kind="image", search="web") == ["library/web", "web/api"]
    assert names(owner, name="library/base/api") == ["library/base/api"]
    assert names(owner, name="api") == ["library/api", "web/api"]
    assert names(owner, name="web/api", kind="chart") == []
    assert names(owner, LIBRARY) == ["library/api", "library/base/api", "library/web"]
    assert names(owner, LIBRARY, search="web") == ["library/web"]
    assert names(owner, LIBRARY, search="library") == []
    assert names(owner, LIBRARY, prefix="ba") == ["library/base/api"]
    assert names(owner, LIBRARY, name="base/api") == ["library/base/api"]
    assert names(owner, LIBRARY, name="shop") == names(owner, LIBRARY, name="Ü") == []


@pytest.mark.parametrize("query", [{}, {"search": "x"}, {"sort": "-name"}, {"search": "x", "sort": "-name"}])
def test_pages_join_without_gap_or_double(
    stack: Stack, owner: Api, instance: Instance, query: dict[str, object]
) -> None:
    """N3"""
    expected = [f"library/x{number:02d}" for number in range(23)]
    fill(stack, instance, *expected, "library/another")
    found: list[str] = []
    cursor: dict[str, object] = {}
    while True:
        page = owner.get(LIBRARY, limit=5, **query, **cursor).json()
        assert len(page["items"]) <= 5
        found += [item["full_name"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    wanted = sorted(expected if "search" in query else [*expected, "library/another"])
    assert found == (wanted[::-1] if "sort" in query else wanted)


def test_a_page_is_one_query_and_a_search_looks_at_5000_rows(stack: Stack, owner: Api, instance: Instance) -> None:
    """N3: what is asked without an index ends early and says where to go on."""
    fill(stack, instance, "library/needle", "library/zzz-needle")
    record = stack.table.get(keys.repository(instance.id, "library/needle")) or {}
    rows = [
        {**record, "sk": f"{record['sk'].removesuffix('needle')}x{number:05d}", "name": f"library/x{number:05d}"}
        for number in range(6_000)
    ]
    stack.table.put_many(rows, relaxed=True)
    counting = _Counting(stack.table)
    counted = Api(with_table(stack, counting), owner.token)
    assert len(names(counted, LIBRARY, limit=200)) == 200
    assert counting.queries == [200]
    assert names(counted, LIBRARY, prefix="x0599", limit=200) == [f"library/x0599{digit}" for digit in range(10)]
    assert len(counting.queries) == 2
    # No name begins so, and with the rest of the key it would be more than DynamoDB takes.
    assert names(counted, LIBRARY, prefix="😀" * 255) == names(counted, prefix="😀" * 255, search="x") == []
    assert len(counting.queries) == 2
    counting.queries.clear()
    first = counted.get(LIBRARY, search="needle").json()
    assert [item["name"] for item in first["items"]] == ["needle"]
    assert sum(counting.queries) == 5_000
    assert first["next"] is not None
    assert names(counted, LIBRARY, search="needle", cursor=first["next"]) == ["library/zzz-needle"]


@pytest.mark.parametrize("query", [{"cursor": "no cursor"}, {"cursor": "no cursor", "kind": "chart"}])
def test_a_cursor_of_nobody_is_refused_by_its_name(owner: Api, query: dict[str, object]) -> None:
    """N3"""
    refused = owner.get(ALL, **query)
    assert (refused.status, refused.json()["errors"][0]["field"]) == (400, "cursor")


def test_what_is_foreign_answers_exactly_as_what_is_missing(stack: Stack, owner: Api, instance: Instance) -> None:
    """G5, N3"""
    there = make_instance(stack, account_id="other")
    make_namespace(stack, there)
    fill(stack, there, "library/x", "library/secret")
    fill(stack, instance, "library/x")
    foreign = Repositories(stack).get(there.id, "library/secret")
    answers = {
        (reply.status, reply.json()["code"], reply.json()["detail"])
        for ref in (foreign.id, "secret", "01J00000000000000000000000", "%00", "X", "no-such")
        for reply in (owner.get(f"{LIBRARY}/{ref}"), owner.patch(f"{LIBRARY}/{ref}", {"summary": "mine"}))
    }
    assert answers == {(404, "NOT_FOUND", "there is no such repository")}
    stranger = Api.signed_in(stack, account="other")
    assert names(stranger) == ["library/secret", "library/x"]
    stranger.patch(f"{LIBRARY}/x", {"summary": "theirs"})
    assert owner.get(f"{LIBRARY}/x").json()["summary"] == ""
    assert owner.get(f"{LIBRARY}/x").json()["id"] != stranger.get(f"{LIBRARY}/x").json()["id"]


def test_readers_and_auditors_change_nothing(stack: Stack, owner: Api) -> None:
    """G5"""
    owner.post(LIBRARY, {"name": "x"})
    for role in (Role.READER, Role.AUDITOR):
        member = Api.signed_in(stack, role)
        assert names(member) == ["library/x"]
        assert member.post(LIBRARY, {"name": "y"}).code == "DENIED"
        assert member.patch(f"{LIBRARY}/x", {"visibility": "private"}).code == "DENIED"


class _Counting:
    """A table that notes how many rows each query asked for."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.queries: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def query(self, pk: str, **options: Any) -> Any:
        self.queries.append(options["limit"])
        return self._table.query(pk, **options)
