"""Environments and services: what the page they come from says of them, line by line (B1, B2, B4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.access.service import Access
from chalicelib.instances.service import Instances
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.roles import Role
from chalicelib.namespaces.service import Namespaces
from chalicelib.registry.service import Registry
from chalicelib.repositories.service import Repositories
from tests.background import run_background
from tests.management import Api
from tests.registry.images import image, owner_of, push_blob, push_manifest
from tests.stacks import make_instance, make_namespace

from .desk import Desk, path_of


def test_an_environment_is_made_with_the_namespace_of_its_instance(desk: Desk) -> None:
    """B1, B2"""
    made = desk.owner.post("/environments", {"name": "test-001", "instance": "ci", "remark": "for tests"})
    assert (made.status, made.headers["Location"]) == (201, "/api/v1/environments/test-001")
    body = made.json()
    assert body == {
        "id": "test-001", "name": "test-001", "remark": "for tests", "instance": "ci", "instance_id": desk.instance.id,
        "namespace": f"tcb-{desk.instance.id[-8:].lower()}", "services": 0, "service_limit": 5,
        "created_at": "2026-01-31T08:00:00.000000Z", "created_by": "owner",
    }  # fmt: skip
    assert desk.owner.get("/environments/test-001").json() == body
    namespace = Namespaces(desk.stack).get(desk.instance.id, body["namespace"])
    assert (namespace.default_visibility, namespace.auto_create_repository) == ("private", False)


def test_an_instance_has_one_namespace_for_all_environments(desk: Desk) -> None:
    """B2"""
    first = desk.environment("dev", namespace="tcb-images")
    assert (first["namespace"], desk.environment("prod")["namespace"]) == ("tcb-images", "tcb-images")
    refused = desk.owner.post("/environments", {"name": "third", "instance": "ci", "namespace": "tcb-others"})
    assert (refused.status, refused.json()["errors"][0]["field"]) == (409, "namespace")
    assert "tcb-images" in refused.json()["detail"]
    assert desk.environment("third", namespace="tcb-images")["namespace"] == "tcb-images"


def test_a_namespace_that_is_there_already_is_taken(desk: Desk) -> None:
    """B2"""
    make_namespace(desk.stack, desk.instance, "tcb-by-hand")
    refused = desk.owner.post("/environments", {"name": "dev", "instance": "ci", "namespace": "tcb-others"})
    assert (refused.status, refused.json()["errors"][0]["field"]) == (409, "namespace")
    assert desk.environment("dev")["namespace"] == "tcb-by-hand"


def test_a_namespace_that_was_deleted_is_made_again_under_its_name(desk: Desk) -> None:
    """B2"""
    desk.environment("dev", namespace="tcb-images")
    deleted = desk.owner.delete("/instances/ci/namespaces/tcb-images", confirm="tcb-images")
    assert deleted.status == 202
    assert desk.ask_service("dev", "web").status == 409
    run_background(desk.stack)
    assert desk.service("dev", "web")["binding"]["namespace"] == "tcb-images"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name"]),
        ({"name": "a_b"}, ["name"]),
        ({"name": "a" * 64}, ["name"]),
        ({"name": "-a"}, ["name"]),
        ({"name": "Dev"}, ["name"]),
        ({"name": "dev", "namespace": "images"}, ["namespace"]),
        ({"name": "dev", "namespace": "tcb-/x"}, ["namespace"]),
        ({"name": "dev", "remark": "r" * 1001, "colour": "red"}, ["remark", "colour"]),
    ],
)
def test_every_bad_field_of_an_environment_is_named(desk: Desk, body: dict[str, Any], fields: list[str]) -> None:
    """B1: names hold no `_`, which parts environment and service in a repository's name."""
    refused = desk.owner.post("/environments", {"instance": "ci", **body})
    assert refused.status == 400
    assert [error["field"] for error in refused.json()["errors"]] == fields
    assert Namespaces(desk.stack).list(desk.instance.id).items == ()


def test_the_instance_may_be_left_out_where_there_is_one(desk: Desk) -> None:
    """B2"""
    made = desk.owner.post("/environments", {"name": "dev"})
    assert (made.status, made.json()["instance"]) == (201, "ci")
    make_instance(desk.stack, "second")
    refused = desk.owner.post("/environments", {"name": "prod"})
    assert (refused.status, refused.json()["errors"][0]["field"]) == (400, "instance")
    assert desk.owner.post("/environments", {"name": "prod", "instance": "third"}).status == 404


def test_a_service_gets_a_private_repository_of_its_environments_and_its_own_name(desk: Desk) -> None:
    """B2: the page's own example."""
    desk.environment("test-001", namespace="tcb-images")
    made = desk.ask_service("test-001", "myservice")
    assert (made.status, made.headers["Location"]) == (201, "/api/v1/environments/test-001/services/myservice")
    body = made.json()
    repository = Repositories(desk.stack).get(desk.instance.id, "tcb-images/test-001_myservice")
    assert repository.visibility == "private"
    assert body == {
        "id": "myservice", "name": "myservice", "environment": "test-001", "remark": "",
        "binding": {
            "mode": "default", "instance": "ci", "instance_id": desk.instance.id, "namespace": "tcb-images",
            "repository": "test-001_myservice", "repository_id": repository.id,
        },
        "address": f"{Instances(desk.stack).public_address(desk.instance)}/tcb-images/test-001_myservice",
        "reused": False, "repository_missing": False, "versions": 0, "state": "ready",
        "created_at": "2026-01-31T08:00:00.000000Z", "created_by": "owner",
    }  # fmt: skip
    assert desk.owner.get("/environments/test-001/services").json()["items"] == [body]


def test_two_environments_may_have_services_of_one_name_and_one_environment_may_not(desk: Desk) -> None:
    """B1"""
    desk.environment("dev")
    desk.environment("prod")
    first, second = desk.service("dev", "testservice"), desk.service("prod", "testservice")
    assert first["binding"]["repository"] == "dev_testservice"
    assert second["binding"]["repository"] == "prod_testservice"
    again = desk.ask_service("dev", "testservice")
    assert (again.status, again.json()["errors"][0]["field"]) == (409, "name")
    taken = desk.owner.post("/environments", {"name": "dev", "instance": "ci"})
    assert (taken.status, taken.json()["errors"][0]["field"]) == (409, "name")


def test_a_sixth_service_is_refused_until_one_is_deleted(desk: Desk) -> None:
    """B1"""
    desk.environment("dev")
    for number in range(5):
        desk.service("dev", f"service-{number}")
    refused = desk.ask_service("dev", "service-5")
    assert (refused.status, refused.code) == (403, "QUOTA_EXCEEDED")
    assert refused.json()["context"]["limit"] == 5
    with pytest.raises(Exception, match="there is no"):
        Repositories(desk.stack).get(desk.instance.id, f"{desk.environment('x')['namespace']}/dev_service-5")
    assert desk.owner.get("/environments/dev").json()["services"] == 5
    assert desk.owner.delete("/environments/dev/services/service-3").status == 204
    assert desk.owner.get("/environments/dev").json()["services"] == 4
    desk.service("dev", "service-5")


def test_name_and_repository_of_a_service_stay_for_ever(desk: Desk) -> None:
    """B1"""
    desk.environment("dev")
    made = desk.service("dev", "web")
    refused = desk.owner.patch(
        path_of("dev/web"),
        {"name": "shop", "binding": {"mode": "existing", "namespace": "library", "repository": "x"}},
    )
    assert (refused.status, refused.code) == (409, "CONFLICT")
    assert [error["field"] for error in refused.json()["errors"]] == ["name", "binding"]
    same = {field: made["binding"][field] for field in ("mode", "instance", "namespace", "repository")}
    edited = desk.owner.patch(path_of("dev/web"), {"remark": "the shop", "name": "web", "binding": same})
    assert (edited.status, edited.json()) == (200, {**made, "remark": "the shop"})
    assert desk.owner.get(path_of("dev/web")).json() == edited.json()
    assert desk.owner.patch("/environments/dev", {"remark": "ours"}).json()["remark"] == "ours"
    assert desk.owner.patch("/environments/dev", {"name": "prod"}).status == 400


def test_a_service_made_again_is_bound_to_the_repository_that_was_kept(desk: Desk) -> None:
    """B2, B4"""
    desk.environment("dev", namespace="tcb-images")
    first = desk.service("dev", "web")
    desk.push("tcb-images/dev_web", "v1")
    desk.version("one", "v1")
    assert desk.owner.delete(path_of("dev/web")).status == 204
    assert desk.owner.get(path_of("dev/web")).status == 404
    again = desk.service("dev", "web")
    assert again["reused"] is True
    assert again["binding"] == first["binding"]
    assert [(image["tag"], image["uses"]) for image in desk.images()] == [("v1", 0)]
    assert (again["versions"], desk.owner.get(path_of("dev/web") + "/versions").json()["items"]) == (0, [])


def test_a_repository_that_is_public_or_of_charts_is_not_bound(desk: Desk) -> None:
    """B2"""
    desk.environment("dev", namespace="tcb-images")
    make_namespace(desk.stack, desk.instance, "library")
    desk.repository("tcb-images/dev_open", "public")
    desk.repository("library/open", "public")
    chart = desk.repository("library/chart")
    caller, registry = owner_of(desk.instance), Registry(desk.stack)
    config_type = "application/vnd.cncf.helm.config.v1+json"
    push_blob(registry, caller, b"{}", chart.name)
    push_manifest(registry, caller, image(config_type=config_type), "1.0", name=chart.name)
    Repositories(desk.stack).mark_kind(chart, "chart")
    for name, binding, word in (
        ("open", {}, "public"),
        ("a", {"mode": "existing", "namespace": "library", "repository": "open"}, "public"),
        ("b", {"mode": "existing", "namespace": "library", "repository": "chart"}, "charts"),
    ):
        refused = desk.ask_service("dev", name, **binding)
        assert (refused.status, refused.code) == (409, "CONFLICT")
        assert word in refused.json()["detail"]
    assert desk.owner.get("/environments/dev").json()["services"] == 0


def test_several_services_across_environments_share_one_existing_repository(desk: Desk) -> None:
    """B2"""
    desk.environment("dev")
    desk.environment("prod")
    make_namespace(desk.stack, desk.instance, "library")
    shop = desk.repository("library/team/shop")
    bound = [
        desk.service("dev", "web", mode="existing", namespace="library", repository=shop.id),
        desk.service("dev", "jobs", mode="existing", namespace="library", repository="team/shop"),
        desk.service("prod", "web", mode="existing", instance="ci", namespace="library", repository="team/shop"),
    ]
    assert {service["binding"]["repository_id"] for service in bound} == {shop.id}
    assert all(not service["reused"] for service in bound)
    desk.push("library/team/shop", "v1")
    assert [image["tag"] for image in desk.images("prod/web")] == ["v1"]


def test_a_repository_of_another_instance_of_the_account_may_be_bound(desk: Desk) -> None:
    """B2"""
    desk.environment("dev")
    other = make_instance(desk.stack, "other")
    make_namespace(desk.stack, other, "library")
    Repositories(desk.stack).create(other, RepositoryName("library/app"), "private", "ada")
    made = desk.service("dev", "web", mode="existing", instance="other", namespace="library", repository="app")
    assert (made["binding"]["instance"], made["address"]) == (
        "other", f"{Instances(desk.stack).public_address(other)}/library/app",
    )  # fmt: skip
    refused = desk.ask_service("dev", "jobs", mode="default", instance="other", namespace="library")
    assert [error["field"] for error in refused.json()["errors"]] == ["binding.instance", "binding.namespace"]


@pytest.mark.parametrize(
    ("binding", "status", "fields"),
    [
        ({"mode": "existing"}, 400, ["binding.namespace", "binding.repository"]),
        ({"mode": "existing", "namespace": "library", "repository": "gone"}, 404, []),
        ({"mode": "existing", "namespace": "library", "repository": "NO NAME"}, 404, []),
        ({"mode": "existing", "namespace": "library", "repository": "0" * 26}, 404, []),
        ({"mode": "existing", "instance": "theirs", "namespace": "library", "repository": "app"}, 404, []),
        ({"mode": "other"}, 400, ["binding.mode"]),
        ({"mode": "default", "repository": "mine"}, 400, ["binding.repository"]),
    ],
)
def test_what_cannot_be_bound_takes_no_place(
    desk: Desk, binding: dict[str, str], status: int, fields: list[str]
) -> None:
    """B2: nor can what is another account's."""
    desk.environment("dev")
    make_namespace(desk.stack, desk.instance, "library")
    theirs = make_instance(desk.stack, "theirs", account_id="others")
    make_namespace(desk.stack, theirs, "library")
    Repositories(desk.stack).create(theirs, RepositoryName("library/app"), "private", "eve")
    refused = desk.ask_service("dev", "web", **binding)
    assert (refused.status, [error["field"] for error in refused.json()["errors"]]) == (status, fields)
    assert desk.owner.get("/environments/dev").json()["services"] == 0
    assert desk.owner.get("/environments/dev/services").json()["items"] == []


def test_an_environment_with_services_stays_and_says_which(desk: Desk) -> None:
    """B1"""
    desk.environment("dev")
    desk.service("dev", "web")
    desk.service("dev", "jobs")
    refused = desk.owner.delete("/environments/dev")
    assert (refused.status, refused.code) == (409, "IN_USE")
    assert "jobs, web" in refused.json()["detail"]
    for name in ("web", "jobs"):
        desk.owner.delete(f"/environments/dev/services/{name}")
    assert desk.owner.delete("/environments/dev").status == 204
    assert desk.owner.get("/environments/dev").status == 404
    assert desk.service(desk.environment("dev")["name"], "web")["reused"] is True


def test_lists_are_paged_by_name_and_searched(desk: Desk) -> None:
    """B1"""
    for name in ("alpha", "beta", "gamma-1", "gamma-2"):
        desk.environment(name)
    seen: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = desk.owner.get("/environments", limit=3, **cursor).json()
        seen.append([one["name"] for one in page["items"]])
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == [["alpha", "beta", "gamma-1"], ["gamma-2"]]
    found = desk.owner.get("/environments", search="gamma", limit=1).json()
    assert [one["name"] for one in found["items"]] == ["gamma-1"]
    found = desk.owner.get("/environments", search="gamma", cursor=found["next"]).json()
    assert ([one["name"] for one in found["items"]], found["next"]) == (["gamma-2"], None)
    backwards = desk.owner.get("/environments", sort="-name", limit=3).json()
    assert [one["name"] for one in backwards["items"]] == ["gamma-2", "gamma-1", "beta"]
    rest = desk.owner.get("/environments", sort="-name", cursor=backwards["next"]).json()
    assert ([one["name"] for one in rest["items"]], rest["next"]) == (["alpha"], None)
    assert desk.owner.get("/environments", cursor="_").json()["errors"][0]["field"] == "cursor"


def test_roles_and_other_accounts(desk: Desk) -> None:
    """G5: the whole table is in tests/api/test_matrix.py."""
    desk.environment("dev")
    desk.service("dev", "web")
    developer, reader = Api.signed_in(desk.stack, Role.DEVELOPER), Api.signed_in(desk.stack, Role.READER)
    assert developer.post("/environments/dev/services", {"name": "jobs"}).status == 201
    assert reader.get(path_of("dev/web")).status == 200
    assert reader.delete(path_of("dev/web")).status == 403
    stranger = Api.signed_in(desk.stack, account="others")
    assert stranger.get("/environments").json()["items"] == []
    assert stranger.get("/environments/dev").status == 404


def test_what_reaches_into_an_instance_passes_its_allowlist_and_its_state(desk: Desk) -> None:
    """G2, I6: the path does not name the instance, and its rules hold all the same."""
    desk.environment("dev")
    web = desk.service("dev", "web")
    desk.push(f"{web['binding']['namespace']}/dev_web", "v1")
    Access(desk.stack).add(desk.instance, "192.0.2.1")
    calls = [
        ("POST", "/environments", {"name": "more", "instance": "ci"}),
        ("POST", "/environments/dev/services", {"name": "jobs"}),
        ("POST", path_of("dev/web") + "/versions", {"name": "one", "tag": "v1"}),
        ("GET", path_of("dev/web") + "/images", None),
        ("DELETE", path_of("dev/web") + "/images/v1", None),
    ]
    for method, path, body in calls:
        assert desk.owner.send(method, path, body).code == "ADDRESS_NOT_ALLOWED", path
    inside = desk.owner.at("192.0.2.1")
    instances = Instances(desk.stack)
    instances.change(instances.load(desk.instance.id), expires_at=desk.stack.clock.now() - timedelta(seconds=1))
    for method, path, body in calls:
        assert inside.send(method, path, body).code == "INSTANCE_FROZEN", path
    assert inside.get("/environments/dev/services").status == 200
