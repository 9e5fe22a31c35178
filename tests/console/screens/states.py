"""Screens in states that the furnished instance is not in: nothing there yet, frozen, not paid for, without the
enterprise's parts, ten thousand rows, work under way or not begun, and a search that found nothing."""

from __future__ import annotations

from datetime import timedelta

from benchmarks.tag_pages import fill
from chalicelib.tasks.service import Tasks
from tests.advice.building import copy
from tests.console.screens import images
from tests.console.world import Screen, World
from tests.stacks import BUCKET, make_instance

LARGE = "archive"
TAGS = 10_000
UNREAD = "2.5.0-rc.1"


def furnish(world: World) -> None:
    stack, instance = world.stack, world.shelf.library.instance
    fill(stack, instance, LARGE, TAGS)
    task, creation = Tasks(stack).create(instance.id, "retention", {"namespace": "library"}, "owner")
    stack.table.transact([creation])
    world.known["task under way"] = task.id
    _not_looked_over(world)
    now = stack.clock.now()
    ends, unpaid = now + timedelta(hours=20), now - timedelta(minutes=10)
    make_instance(stack, "unpaid", bucket=BUCKET, expires_at=ends, auto_renew=True, unpaid_since=unpaid)


def _not_looked_over(world: World) -> None:
    """An index whose push nobody has heard of yet, so that no layer of its images was read."""
    children = [
        (images.push(world, copy("shop /srv", {"srv/shop": platform.encode()}), tag="", platform=platform), platform)
        for platform in ("linux/amd64", "linux/arm64")
    ]
    world.shelf.library.push_index(*children, tag=UNREAD, name=images.SHOP)
    world.known["unread"] = children[0][0]


def _screen(route: str, name: str, path: str) -> Screen:
    return Screen(f"/instances/{{instance}}{route}", f"state-{name}", lambda _: f"/instances/{path}")


_REPOSITORY = "/namespaces/{namespace}/repositories/{repository}"
_LARGE = f"ci/namespaces/library/repositories/{LARGE}"
_SHOP = "ci/namespaces/library/repositories/shop"
SCREENS = (
    # `staging` has nothing yet; `spring-2026` is frozen; `unpaid` is about to be; `sandbox` is of the personal edition.
    _screen("", "empty-overview", "staging"),
    _screen("", "frozen-overview", "spring-2026"),
    _screen("", "personal-overview", "sandbox"),
    _screen("/settings", "frozen-settings", "spring-2026/settings"),
    _screen("/settings", "unpaid-settings", "unpaid/settings"),
    *(
        _screen(f"/{path}", f"empty-{path}", f"staging/{path}")
        for path in ("namespaces", "repositories", "recycle-bin", "retention", "tasks", "webhooks", "sharing", "audit")
    ),
    _screen("/allowlist", "nothing-found", "ci/allowlist?search=nowhere"),
    _screen(_REPOSITORY, "ten-thousand-tags", _LARGE),
    _screen(_REPOSITORY, "ten-thousand-tags-searched", f"{_LARGE}?search=7.99&sort=-pushed_at&limit=200"),
    _screen(f"{_REPOSITORY}/tags/{{tag}}/advice", "image-not-looked-over", f"{_SHOP}/tags/{UNREAD}/advice"),
    Screen(
        f"/instances/{{instance}}{_REPOSITORY}/manifests/{{digest}}/advice",
        "state-manifest-not-looked-over",
        lambda world: f"/instances/{_SHOP}/manifests/{world.known['unread']}/advice",
    ),
    Screen(
        "/instances/{instance}/tasks/{task}",
        "state-task-under-way",
        lambda world: f"/instances/ci/tasks/{world.known['task under way']}",
    ),
)
