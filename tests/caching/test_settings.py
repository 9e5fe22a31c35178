"""X7: which namespaces pull through which registry: set, shown, changed, and gone with their namespace and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.kernel.names import NamespaceName
from chalicelib.kernel.roles import Role
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import cache_keys, keys
from chalicelib.ports.table import Update
from tests.background import run_background, run_tasks
from tests.management import Api

from .caches import CACHES, Cached
from .upstream import Upstream

HUB = "hub/team/app"


def test_a_cache_says_all_it_is_but_its_password(cached: Cached, there: Upstream) -> None:
    """X7"""
    made = cached.cache("quay", there.address, username="user", password="s3cret-word", ttl_seconds=60)
    assert made.headers["Location"].endswith("/caches/quay")
    shown = cached.api.get(f"{CACHES}/quay")
    assert (
        shown.json()
        == made.json()
        == {
            "namespace": "quay",
            "address": shown.json()["address"],
            "upstream": there.address,
            "username": "user",
            "has_password": True,
            "ttl_seconds": 60,
            "repositories": "**",
            "created_at": "2026-01-31T08:00:00.000000Z",
            "created_by": "owner",
        }
    )
    assert shown.json()["address"].endswith("/quay")
    listed = cached.api.get(CACHES).json()["items"]
    assert [one["namespace"] for one in listed] == ["hub", "quay", "vault"]
    namespace = Namespaces(cached.stack).get(cached.instance.id, "quay", fresh=True)
    row = cached.stack.table.get(cache_keys.upstream(namespace.id))
    assert "s3cret-word" not in str(row)
    assert "s3cret-word" not in shown.text + cached.api.get(CACHES).text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"upstream": "nodots"}, "upstream"),
        ({"upstream": "ftp://registry.example"}, "upstream"),
        ({"upstream": "user@registry.example"}, "upstream"),
        ({"upstream": "registry.example/team:v1"}, "upstream"),
        ({"upstream": "registry.example/../x"}, "upstream"),
        ({"upstream": "169.254.169.254/x"}, "upstream"),
        ({"upstream": "docker.io", "password": "alone"}, "username"),
        ({"upstream": "docker.io", "ttl_seconds": -1}, "ttl_seconds"),
        ({"upstream": "docker.io", "repositories": "a**b"}, "repositories"),
        ({"upstream": "docker.io", "namespace": "UPPER"}, "namespace"),
    ],
)
def test_what_makes_no_cache_is_refused_by_its_field(cached: Cached, body: dict[str, Any], field: str) -> None:
    """X7"""
    answer = cached.api.post(CACHES, {"namespace": "library", **body})
    assert answer.status == 400, answer.text
    assert [one["field"] for one in answer.json()["errors"]] == [field]


def test_private_upstreams_are_refused_where_the_operator_does_not_allow_them(tmp_path: Path, there: Upstream) -> None:
    """X7"""
    strict = Cached(tmp_path, there, allow_private_addresses=False, cache_upstreams="docker.io,*.example.com,10.0.0.1")
    try:
        for upstream in (there.address, "10.0.0.1", "http://registry.example.com", "ghcr.io", "example.com"):
            assert strict.api.post(CACHES, {"namespace": "library", "upstream": upstream}).status == 400, upstream
        for namespace, upstream in (("library", "docker.io"), ("open", "registry.example.com/team")):
            assert strict.api.post(CACHES, {"namespace": namespace, "upstream": upstream}).status == 201, upstream
    finally:
        strict.close()


def test_a_namespace_that_holds_something_gets_no_upstream(cached: Cached, there: Upstream) -> None:
    """X7: nor one that has one, nor one that is not there."""
    cached.push_image("library/app", "v1")
    for name, status in (("library", 409), ("hub", 409), ("nowhere", 404)):
        assert cached.api.post(CACHES, {"namespace": name, "upstream": there.address}).status == status


def test_a_password_is_not_sent_to_another_host_than_it_was_given_for(cached: Cached, there: Upstream) -> None:
    """X7"""
    cached.api.patch(f"{CACHES}/hub", {"username": "user", "password": "secret"})
    moved = cached.api.patch(f"{CACHES}/hub", {"upstream": "registry.example.com"})
    assert moved.status == 400
    assert moved.json()["errors"][0]["field"] == "password"
    assert cached.api.patch(f"{CACHES}/hub", {"upstream": f"{there.address}/team"}).json()["has_password"]
    ended = cached.api.patch(f"{CACHES}/hub", {"upstream": "registry.example.com", "password": ""})
    assert (ended.status, ended.json()["has_password"]) == (200, False)


def test_an_edit_holds_from_the_next_pull_on(cached: Cached, there: Upstream) -> None:
    """X7"""
    there.add_image("team/app", "v1", b"a layer")
    assert cached.pull(f"{HUB}/manifests/v1").status_code == 200
    there.asked.clear()
    cached.api.patch(f"{CACHES}/hub", {"upstream": f"{there.address}/team"})
    assert cached.pull("hub/app/manifests/v1").status_code == 200
    assert there.asked == [("GET", "/v2/team/app/manifests/v1")]


def test_only_who_may_change_settings_does(cached: Cached) -> None:
    """X7, S1"""
    for role in (Role.DEVELOPER, Role.READER):
        assert Api.signed_in(cached.stack, role).get(CACHES).status == 403
    assert Api.signed_in(cached.stack, Role.AUDITOR).get(CACHES).status == 200
    assert Api.signed_in(cached.stack, Role.AUDITOR).patch(f"{CACHES}/hub", {"ttl_seconds": 1}).status == 403


def test_changes_are_in_the_audit_record_without_the_password(cached: Cached) -> None:
    """S9, X7"""
    cached.api.patch(f"{CACHES}/hub", {"username": "user", "password": "s3cret-word"})
    refused = cached.api.post(CACHES, {"namespace": "hub", "upstream": "user:s3cret-word@registry.example.com"})
    assert refused.status in (400, 409)
    assert "s3cret-word" not in refused.text
    cached.api.delete(f"{CACHES}/hub")
    found = Audit(cached.stack).search(cached.instance.id, Filter(object_type="cache"), None, 20).items
    told = [(one.object_type, one.action, one.namespace) for one in found]
    assert sorted(told) == sorted(
        [("cache", "create", name) for name in ("hub", "vault", "hub")]
        + [("cache", "edit", "hub"), ("cache", "delete", "hub")]
    )
    assert "s3cret-word" not in str(found)


def test_without_its_upstream_a_namespace_is_like_any_other(cached: Cached, there: Upstream) -> None:
    """X7: what came stays."""
    there.add_image("team/app", "v1", b"a layer")
    cached.pull(f"{HUB}/manifests/v1")
    cached.filled()
    assert cached.api.delete(f"{CACHES}/hub").status == 204
    assert cached.api.get(f"{CACHES}/hub").status == 404
    there.asked.clear()
    assert cached.pull(f"{HUB}/manifests/v1").status_code == 200
    assert cached.pull(f"{HUB}/manifests/v2").status_code == 404
    assert there.asked == []
    cached.push_image(HUB, "mine")
    assert cached.pull(f"{HUB}/manifests/mine").status_code == 200


def test_a_namespace_takes_its_upstream_along_and_brings_it_back(cached: Cached, there: Upstream) -> None:
    """N2, X1, X7"""
    there.add_image("team/app", "v1", b"a layer")
    cached.pull(f"{HUB}/manifests/v1")
    cached.filled()
    path, table = "/instances/default/namespaces/hub", cached.stack.table
    namespace = Namespaces(cached.stack).get(cached.instance.id, "hub", fresh=True)
    assert cached.api.delete(path, confirm="hub").status == 202
    run_tasks(cached.stack)
    assert cached.pull(f"{HUB}/manifests/v1").status_code in (401, 404)
    (entry,) = cached.api.get("/instances/default/recycle-bin").json()["items"]
    back = cached.api.post(f"/instances/default/recycle-bin/{entry['id']}/restore", {"name": "centre"})
    assert back.status == 202, back.text
    run_tasks(cached.stack)
    there.add_image("team/app", "v2", b"another")
    assert cached.pull("centre/team/app/manifests/v1").status_code == 200
    assert cached.pull("centre/team/app/manifests/v2").status_code == 200
    assert cached.api.delete("/instances/default/namespaces/centre", confirm="centre").status == 202
    run_tasks(cached.stack)
    cached.clock.advance(10 * 86_400)
    run_background(cached.stack)
    assert table.get(cache_keys.upstream(namespace.id)) is None


def test_a_mark_that_was_lost_on_the_way_is_set_again(cached: Cached, there: Upstream) -> None:
    """U2, X7: an older version of this code, which brings a namespace back, knows of no upstreams."""
    key = keys.namespace(cached.instance.id, NamespaceName("hub"))
    cached.stack.table.update(Update(key, remove=("upstream",)))
    there.add_image("team/app", "v1", b"a layer")
    assert cached.pull(f"{HUB}/manifests/v1").status_code in (401, 404)
    assert cached.api.patch(f"{CACHES}/hub", {}).status == 200
    assert cached.pull(f"{HUB}/manifests/v1").status_code == 200


def test_caches_are_searched_and_listed_from_either_end(cached: Cached, there: Upstream) -> None:
    """C1"""
    cached.cache("hub-mirror", there.address)
    found = [one["namespace"] for one in cached.api.get(CACHES, search="hub", sort="-name").json()["items"]]
    assert found == ["hub-mirror", "hub"]
    first = cached.api.get(CACHES, limit=1).json()
    assert [one["namespace"] for one in cached.api.get(CACHES, limit=1, cursor=first["next"]).json()["items"]] == [
        "hub-mirror"
    ]
