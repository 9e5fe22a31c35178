"""Screens in states that the furnished instance is not in: nothing there yet, frozen, without the enterprise's parts,
ten thousand rows, work under way, and a search that found nothing."""

from __future__ import annotations

from benchmarks.tag_pages import fill
from chalicelib.tasks.service import Tasks
from tests.console.world import Screen, World

LARGE = "archive"
TAGS = 10_000


def furnish(world: World) -> None:
    stack, instance = world.stack, world.shelf.library.instance
    fill(stack, instance, LARGE, TAGS)
    task, creation = Tasks(stack).create(instance.id, "retention", {"namespace": "library"}, "owner")
    stack.table.transact([creation])
    world.known["task under way"] = task.id


def _screen(route: str, name: str, path: str) -> Screen:
    return Screen(f"/instances/{{instance}}{route}", f"state-{name}", lambda _: f"/instances/{path}")


_REPOSITORY = "/namespaces/{namespace}/repositories/{repository}"
_LARGE = f"ci/namespaces/library/repositories/{LARGE}"
SCREENS = (
    # `staging` has nothing yet; `spring-2026` is frozen; `sandbox` is of the personal edition.
    _screen("", "empty-overview", "staging"),
    _screen("", "frozen-overview", "spring-2026"),
    _screen("", "personal-overview", "sandbox"),
    *(
        _screen(f"/{path}", f"empty-{path}", f"staging/{path}")
        for path in ("namespaces", "repositories", "recycle-bin", "retention", "tasks", "webhooks", "sharing", "audit")
    ),
    _screen("/allowlist", "nothing-found", "ci/allowlist?search=nowhere"),
    _screen(_REPOSITORY, "ten-thousand-tags", _LARGE),
    _screen(_REPOSITORY, "ten-thousand-tags-searched", f"{_LARGE}?search=7.99&sort=-pushed_at&limit=200"),
    Screen(
        "/instances/{instance}/tasks/{task}",
        "state-task-under-way",
        lambda world: f"/instances/ci/tasks/{world.known['task under way']}",
    ),
)
