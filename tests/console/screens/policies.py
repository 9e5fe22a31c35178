"""Immutability and retention, of a namespace of their own."""

from __future__ import annotations

from chalicelib.kernel.names import RepositoryName
from tests.background import run_tasks
from tests.console.world import Screen, World

_SHOP = "/instances/ci/namespaces/shop/retention"
_OF_SHOP = "/instances/{instance}/namespaces/{namespace}/retention"
_WEB = RepositoryName("shop/web")
_RULES = (("**", "v*", True), ("{web,api}", "{release-*,lts}", True), ("tools/*", "**", False))


def furnish(world: World) -> None:
    api = world.api
    for name in ("shop", "shop-tests"):
        assert api.post("/instances/ci/namespaces", {"name": name, "auto_create_repository": True}).status == 201
    for tag in ("v1.0", "v1.1", "v1.2", "nightly-1", "nightly-2", "nightly-3", "latest", "test"):
        world.shelf.library.push(tag, name=_WEB, layers=(b"base", tag.encode()))
    for repositories, tags, enabled in _RULES:
        rule = {"namespace": "shop", "repositories": repositories, "tags": tags, "enabled": enabled}
        made = api.post("/instances/ci/immutability-rules", rule)
        world.known["immutability rule"] = made.json()["id"]
    for tags, keep in (("nightly-*", 2), ("v*", 10)):
        made = api.post(f"{_SHOP}/rules", {"repositories": "**", "tags": tags, "keep_last": keep})
        world.known["retention rule"] = made.json()["id"]
    schedule = {"cron": "0 2 * * 1-5", "timezone": "Asia/Shanghai"}
    assert api.put(_SHOP, {"schedule": schedule, "acknowledged": True}).status == 200
    for order in ({"dry_run": True}, {"acknowledged": True}):
        world.known["retention run"] = api.post(f"{_SHOP}/runs", order).json()["id"]
        run_tasks(world.stack)
    # What nobody spoke of has gone; these came after.
    for tag in ("latest", "debug"):
        world.shelf.library.push(tag, name=_WEB, layers=(b"base", b"a later one", tag.encode()))


def _rule(world: World, rest: str) -> str:
    return f"/instances/ci/immutability/{world.known['immutability rule']}/{rest}"


def _kept(world: World, rest: str) -> str:
    return f"{_SHOP}/rules/{world.known['retention rule']}/{rest}"


SCREENS = (
    Screen("/instances/{instance}/immutability", "immutability", lambda _: "/instances/ci/immutability"),
    Screen(
        "/instances/{instance}/immutability/new",
        "immutability-new",
        lambda _: "/instances/ci/immutability/new?namespace=shop&repositories=**&tags=%7Bv*,latest%7D&try=yes",
    ),
    Screen("/instances/{instance}/immutability/{rule}/edit", "immutability-edit", lambda world: _rule(world, "edit")),
    Screen(
        "/instances/{instance}/immutability/{rule}/delete", "immutability-delete", lambda world: _rule(world, "delete")
    ),
    Screen("/instances/{instance}/retention", "retention", lambda _: "/instances/ci/retention"),
    Screen(_OF_SHOP, "retention-namespace", lambda _: _SHOP),
    Screen(f"{_OF_SHOP}/unmatched", "retention-unmatched", lambda _: f"{_SHOP}/unmatched"),
    Screen(
        f"{_OF_SHOP}/rules/new",
        "retention-rule-new",
        lambda _: f"{_SHOP}/rules/new?repositories=**&tags=latest&keep_last=1&try=yes",
    ),
    Screen(f"{_OF_SHOP}/rules/{{rule}}/edit", "retention-rule-edit", lambda world: _kept(world, "edit")),
    Screen(f"{_OF_SHOP}/rules/{{rule}}/delete", "retention-rule-delete", lambda world: _kept(world, "delete")),
    Screen(f"{_OF_SHOP}/schedule", "retention-schedule", lambda _: f"{_SHOP}/schedule"),
    Screen(f"{_OF_SHOP}/run", "retention-run-now", lambda _: f"{_SHOP}/run"),
    Screen(
        f"{_OF_SHOP}/runs/{{run}}",
        "retention-run",
        lambda world: f"{_SHOP}/runs/{world.known['retention run']}",
    ),
)
