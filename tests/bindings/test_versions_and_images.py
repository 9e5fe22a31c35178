"""Versions of services, and the images they use (B3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.ports import binding_keys
from tests.faults.ports import Faults, faulty
from tests.stacks import FrozenClock, TableWith, make_namespace, with_table

from .desk import Desk, path_of, used

SHOP = {"mode": "existing", "namespace": "library", "repository": "shop"}


@pytest.fixture
def shop(desk: Desk) -> Desk:
    """Two environments whose services share library/shop, and one of a repository of its own."""
    make_namespace(desk.stack, desk.instance, "library")
    desk.repository("library/shop")
    for name in ("dev", "prod"):
        desk.environment(name, namespace="tcb-images")
    desk.service("dev", "web", **SHOP)
    desk.service("prod", "web", **SHOP)
    desk.service("prod", "alone")
    return desk


def test_a_version_names_an_image_and_keeps_its_digest(shop: Desk) -> None:
    """B3"""
    shop.push("library/shop", "v1")
    made = shop.ask_version("web-007", "v1")
    assert (made.status, made.headers["Location"]) == (201, "/api/v1/environments/dev/services/web/versions/web-007")
    body = made.json()
    (image,) = shop.images()
    assert body == {
        "id": "web-007", "name": "web-007", "environment": "dev", "service": "web", "tag": "v1",
        "digest": image["digest"], "image": "present", "created_at": "2026-01-31T08:00:00.000000Z",
        "created_by": "owner",
    }  # fmt: skip
    versions = path_of("dev/web") + "/versions"
    assert shop.owner.get(f"{versions}/web-007").json() == body
    assert shop.owner.get(versions).json()["items"] == [body]
    assert shop.owner.get(path_of("dev/web")).json()["versions"] == 1


def test_a_version_tells_when_its_image_moved_and_when_it_is_gone(shop: Desk) -> None:
    """B3"""
    shop.push("library/shop", "v1")
    shop.version("one", "v1")
    shop.push("library/shop", "v1", layer=b"another layer")
    path = path_of("dev/web") + "/versions"
    assert shop.owner.get(f"{path}/one").json()["image"] == "moved"
    assert shop.owner.delete("/instances/ci/namespaces/library/repositories/shop/tags/v1").status == 200
    assert shop.owner.get(path).json()["items"][0]["image"] == "missing"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "two", "tag": "v9"}, 404, ""),
        ({"name": "one", "tag": "v1"}, 409, "name"),
        ({"name": "two", "tag": "no tag"}, 400, "tag"),
        ({"name": "a/b", "tag": "v1"}, 400, "name"),
        ({"name": "a,b", "tag": "v1"}, 400, "name"),
        ({"name": "two"}, 400, "tag"),
    ],
)
def test_a_version_without_a_name_of_its_own_or_an_image_is_refused(
    shop: Desk, body: dict[str, Any], status: int, field: str
) -> None:
    """B3"""
    shop.push("library/shop", "v1")
    shop.version("one", "v1")
    refused = shop.owner.post(path_of("dev/web") + "/versions", body)
    assert (refused.status, [error["field"] for error in refused.json()["errors"]]) == (
        status,
        [field] if field else [],
    )
    assert shop.owner.get(path_of("dev/web")).json()["versions"] == 1


def test_the_images_of_a_repository_show_which_versions_of_which_services_use_them(shop: Desk) -> None:
    """B3"""
    shop.push("library/shop", "v1", "v1-x", "v1.0", "v2", "latest")
    shop.version("one", "v1")
    shop.version("two", "v1-x")
    shop.version("ten", "v1", service="prod/web")
    shop.push("tcb-images/prod_alone", "v1")
    shop.version("alone", "v1", service="prod/alone")
    expected = {"latest": [], "v1": ["dev/web/one", "prod/web/ten"], "v1-x": ["dev/web/two"], "v1.0": [], "v2": []}
    for service in ("dev/web", "prod/web"):
        assert {image["tag"]: used(image) for image in shop.images(service)} == expected
    assert {image["tag"]: image["uses"] for image in shop.images()}["v1"] == 2
    assert [used(image) for image in shop.images("prod/alone")] == [["prod/alone/alone"]]
    assert {image["tag"]: used(image) for image in shop.images(prefix="v1-")} == {"v1-x": ["dev/web/two"]}
    paged = shop.owner.get(path_of("dev/web") + "/images", limit=2).json()
    rest = shop.owner.get(path_of("dev/web") + "/images", limit=200, cursor=paged["next"]).json()
    assert {image["tag"]: used(image) for image in (*paged["items"], *rest["items"])} == expected
    by_push = shop.images(sort="-pushed_at", limit=200)
    assert {image["tag"]: used(image) for image in by_push} == expected


def test_an_image_in_use_is_deleted_only_by_naming_what_breaks(shop: Desk) -> None:
    """B3: of other environments' services too."""
    shop.push("library/shop", "v1")
    shop.version("one", "v1")
    shop.version("ten", "v1", service="prod/web")
    refused = shop.delete_image("v1")
    assert (refused.status, refused.code) == (428, "CONFIRMATION_REQUIRED")
    assert refused.json()["context"]["versions"] == ["dev/web/one", "prod/web/ten"]
    assert "confirm with ?confirm=dev/web/one,prod/web/ten" in refused.json()["detail"]
    for incomplete in ("v1", "dev/web/one", "yes"):
        assert shop.delete_image("v1", confirm=incomplete).status == 428
    assert [image["tag"] for image in shop.images()] == ["v1"]
    deleted = shop.delete_image("v1", confirm="dev/web/one, prod/web/ten")
    assert deleted.status == 200
    assert deleted.json()["broken"] == [
        {"environment": "dev", "service": "web", "version": "one"},
        {"environment": "prod", "service": "web", "version": "ten"},
    ]
    assert [tag["tag"] for tag in deleted.json()["tags"]] == ["v1"]
    assert shop.images() == []
    assert shop.owner.get(path_of("dev/web") + "/versions/one").json()["image"] == "missing"


def test_what_no_version_names_is_deleted_at_once_and_can_be_restored(shop: Desk) -> None:
    """B3, N5: another tag of the same digest keeps a version whole."""
    shop.push("library/shop", "v1", "latest")
    shop.version("one", "v1")
    deleted = shop.delete_image("latest")
    assert (deleted.status, deleted.json()["broken"], deleted.json()["digests"]) == (200, [], [])
    assert shop.owner.get(path_of("dev/web") + "/versions/one").json()["image"] == "present"
    (entry,) = shop.owner.get("/instances/ci/recycle-bin").json()["items"]
    assert shop.owner.post(f"/instances/ci/recycle-bin/{entry['id']}/restore", {}).status in (200, 201, 202)
    assert {image["tag"] for image in shop.images()} == {"v1", "latest"}


def test_a_deleted_version_frees_its_image_and_its_name(shop: Desk) -> None:
    """B3"""
    shop.push("library/shop", "v1")
    shop.version("one", "v1")
    assert shop.owner.delete(path_of("dev/web") + "/versions/one").status == 204
    assert shop.owner.delete(path_of("dev/web") + "/versions/one").status == 404
    assert used(shop.images()[0]) == []
    shop.version("one", "v1")
    assert shop.owner.delete(path_of("dev/web") + "/versions/one").status == 204
    assert shop.delete_image("v1").status == 200
    assert shop.owner.get(path_of("dev/web")).json()["versions"] == 0


def test_a_deleted_service_frees_its_images(shop: Desk) -> None:
    """B3, B4: more versions than go in one transaction."""
    shop.push("library/shop", "v1")
    for number in range(85):
        shop.version(f"v-{number}", "v1")
    shop.version("ten", "v1", service="prod/web")
    assert shop.images("prod/web")[0]["uses"] == 86
    assert shop.owner.delete(path_of("dev/web")).status == 204
    assert used(shop.images("prod/web")[0]) == ["prod/web/ten"]
    rows = shop.stack.table.query("ACCOUNT#default", prefix="VERSION#dev#", limit=10).items
    assert rows == ()


def test_no_version_comes_between_the_look_at_who_uses_a_tag_and_its_end(shop: Desk) -> None:
    """B3: else it would break without having been named."""
    shop.push("library/shop", "v1")
    answers: list[int] = []

    def rival() -> None:
        if not answers:
            answers.append(0)
            # Another deletion would take the mark of this one away.
            answers.append(shop.delete_image("v1").status)
            answers[0] = shop.ask_version("quick", "v1").status

    quick = replace(shop.owner, stack=with_table(shop.stack, TableWith(shop.stack.table, rival)))
    assert quick.delete(path_of("dev/web") + "/images/v1").status == 200
    assert answers == [409, 409]


def test_a_deletion_that_broke_off_is_in_the_way_for_two_minutes(shop: Desk, clock: FrozenClock) -> None:
    """B3"""
    shop.push("library/shop", "v1")
    (service,) = shop.owner.get("/environments/dev/services").json()["items"]
    key = binding_keys.going(service["binding"]["repository_id"], "v1")
    shop.stack.table.put({**key._asdict(), "until": "2026-01-31T08:02:00.000000Z"})
    assert shop.ask_version("one", "v1").status == 409
    assert shop.delete_image("v1").status == 409
    clock.advance(121)
    shop.version("one", "v1")
    assert shop.delete_image("v1").status == 428


def test_an_immutable_image_stays(shop: Desk) -> None:
    """P1"""
    shop.push("library/shop", "v1")
    rule = {"namespace": "library", "repositories": "**", "tags": "v*"}
    assert shop.owner.post("/instances/ci/immutability-rules", rule).status == 201
    refused = shop.delete_image("v1")
    assert (refused.status, refused.code) == (409, "TAG_IMMUTABLE")
    assert shop.delete_image("v9").status == 404


def test_the_record_of_a_deleted_image_is_the_instances_and_that_of_a_service_the_accounts(shop: Desk) -> None:
    """G6"""
    shop.push("library/shop", "v1")
    assert shop.delete_image("v1").status == 200
    audit = Audit(shop.stack)
    wanted = Filter("tag")
    (entry,) = [one for one in audit.search(shop.instance.id, wanted, None, 10).items if one.action == "delete"]
    assert (entry.namespace, entry.repository, entry.object) == ("library", "library/shop", "v1")
    services = audit.search("default", Filter("service"), None, 10).items
    assert {one.object for one in services} == {"dev/web", "prod/web", "prod/alone"}


def test_who_uses_a_page_of_images_costs_one_query_however_many_they_are(shop: Desk) -> None:
    """B3"""
    shop.push("library/shop", *(f"v{number}" for number in range(30)))
    for number in range(40):
        shop.version(f"release-{number}", f"v{number % 30}", service="dev/web" if number % 2 else "prod/web")

    def queries(path: str) -> int:
        faults = Faults()
        reply = replace(shop.owner, stack=faulty(shop.stack, faults)).get(path, limit=30)
        assert len(reply.json()["items"]) == 30
        return faults.calls.count("table.query")

    of_tags = queries("/instances/ci/namespaces/library/repositories/shop/tags")
    assert queries(path_of("dev/web") + "/images") == of_tags + 1
