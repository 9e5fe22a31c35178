"""Synchronisation, remotes, caches, migrations, and the tasks of all of it."""

from __future__ import annotations

from tests.background import run_tasks
from tests.console.world import Screen, World

_CI = "/instances/ci"


def furnish(world: World) -> None:
    api = world.api
    for name in ("release", "release-eu", "hub"):
        api.post(f"{_CI}/namespaces", {"name": name})
    _remotes(world)
    _caches(world)
    rule = {"source_namespace": "library", "target_instance": "ci", "target_namespace": "release", "name": "released"}
    made = api.post(f"{_CI}/sync-rules", {**rule, "source_tags": "{1.*,stable}", "description": "to production"})
    world.known["sync rule"] = made.json()["id"]
    away = {"name": "to the other site", "target_instance": "backup", "target_namespace": "team", "enabled": False}
    api.post(f"{_CI}/sync-rules", {**rule, **away, "override": True, "content": ["image"]})
    task = {"source_namespace": "library", "target_instance": "ci", "target_namespace": "release-eu"}
    world.known["sync task"] = api.post(f"{_CI}/sync-tasks", task).json()["id"]
    here = api.get(_CI).json()["public_address"]
    images = {f"{here}/library/app:stable": "release/copy", f"{here}/library/app:gone": "release/copy"}
    api.post(f"{_CI}/migrations", {"images": images})
    run_tasks(world.stack)
    begun = api.post(f"{_CI}/sync-tasks", {**task, "source_repositories": "app*", "override": True})
    world.known["task under way"] = begun.json()["id"]


def _remotes(world: World) -> None:
    for name, remark in (("backup", "the other site"), ("partner", "")):
        remote = {"name": name, "address": f"https://{name}.example.com", "username": "robot", "remark": remark}
        made = world.api.post(f"{_CI}/remotes", {**remote, "password": "correct-horse-there"})
        world.known["remote"] = made.json()["id"]


def _caches(world: World) -> None:
    cache = {"namespace": "hub", "upstream": "docker.io", "username": "ci", "password": "correct-horse-there"}
    world.api.post(f"{_CI}/caches", cache)


def _screen(route: str, name: str, path: str = "", known: str = "") -> Screen:
    """path: behind the instance's; known: what of the world's ids stands where its `{}` is."""
    shown = path or route.removeprefix("/instances/{instance}")
    return Screen(route, name, lambda world: _CI + shown.replace("{}", world.known.get(known, "")))


_I = "/instances/{instance}"
SCREENS = (
    _screen(f"{_I}/sync", "sync"),
    _screen(f"{_I}/sync/new", "sync-new", "/sync/new?try=yes&image=yes&source_namespace=library&source_tags=1.*"),
    _screen(f"{_I}/sync/rules/{{rule}}/edit", "sync-edit", "/sync/rules/{}/edit", "sync rule"),
    _screen(f"{_I}/sync/rules/{{rule}}/delete", "sync-delete", "/sync/rules/{}/delete", "sync rule"),
    _screen(f"{_I}/sync/tasks", "sync-tasks"),
    _screen(f"{_I}/sync/tasks/new", "sync-task-new", "/sync/tasks/new?rule={}", "sync rule"),
    _screen(f"{_I}/remotes", "remotes"),
    _screen(f"{_I}/remotes/new", "remote-new"),
    _screen(f"{_I}/remotes/{{remote}}/edit", "remote-edit", "/remotes/{}/edit", "remote"),
    _screen(f"{_I}/remotes/{{remote}}/test", "remote-test", "/remotes/{}/test", "remote"),
    _screen(f"{_I}/remotes/{{remote}}/delete", "remote-delete", "/remotes/{}/delete", "remote"),
    _screen(f"{_I}/caches", "caches"),
    _screen(f"{_I}/caches/new", "cache-new"),
    _screen(f"{_I}/caches/{{namespace}}/edit", "cache-edit", "/caches/hub/edit"),
    _screen(f"{_I}/caches/{{namespace}}/delete", "cache-delete", "/caches/hub/delete"),
    _screen(f"{_I}/migrations", "migrations"),
    _screen(f"{_I}/migrations/new", "migration-new"),
    _screen(f"{_I}/migrations/whole", "migration-whole"),
    _screen(f"{_I}/tasks", "tasks"),
    _screen(f"{_I}/tasks/{{task}}", "task", "/tasks/{}", "sync task"),
    _screen(f"{_I}/tasks/{{task}}/cancel", "task-cancel", "/tasks/{}/cancel", "task under way"),
)
