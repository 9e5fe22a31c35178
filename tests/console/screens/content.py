"""Namespaces, image repositories and their versions."""

from __future__ import annotations

from tests.background import run_tasks
from tests.console.world import Screen, World
from tests.scanning.shelf import DATABASE, DEBIAN, PYTHON

_NAMESPACE = "/instances/ci/namespaces/library"
_APP = f"{_NAMESPACE}/repositories/app"


def furnish(world: World) -> None:
    api, shelf = world.api, world.shelf
    for name, more in (
        ("mirrors", {"allow_sparse_indexes": True, "default_visibility": "public"}),
        ("payments", {"auto_create_repository": True, "scan_on_push": True}),
        ("platform", {"acceleration": True}),
    ):
        api.post("/instances/ci/namespaces", {"name": name, **more})
    for name in ("billing", "ledger", "tools/gateway"):
        api.post("/instances/ci/namespaces/payments/repositories", {"name": name, "summary": f"Images of {name}"})
    shelf.import_database(DATABASE)
    for tag in ("1.9.0", "1.10.0", "1.10.1", "stable"):
        shelf.push(DEBIAN, PYTHON, {"srv/version": tag.replace("stable", "1.10.1")}, tag=tag)
    shelf.push(PYTHON, tag="slim")
    for tag in ("1.10.0", "1.10.1"):
        api.post(f"{_APP}/tags/{tag}/scan")
    run_tasks(world.stack)
    api.post(f"{_APP}/tags/slim/scan")
    api.put(
        f"{_NAMESPACE}/pull-policy",
        {
            "severity": "critical",
            "exceptions": [{"id": "CVE-2024-0001", "reason": "not reachable", "expires_at": "2027-01-01T00:00:00Z"}],
        },
    )


def _screen(route: str, name: str, path: str) -> Screen:
    return Screen(route, name, lambda _: path)


_OF_NAMESPACE = "/instances/{instance}/namespaces/{namespace}"
_OF_REPOSITORY = _OF_NAMESPACE + "/repositories/{repository}"
SCREENS = (
    _screen("/instances/{instance}/namespaces", "namespaces", "/instances/ci/namespaces"),
    _screen("/instances/{instance}/namespaces/-/new", "namespace-new", "/instances/ci/namespaces/-/new"),
    _screen(_OF_NAMESPACE, "namespace", "/instances/ci/namespaces/payments"),
    _screen(_OF_NAMESPACE + "/repositories", "namespace-repositories", f"{_NAMESPACE}/repositories"),
    _screen(_OF_NAMESPACE + "/settings", "namespace-settings", f"{_NAMESPACE}/settings"),
    _screen(_OF_NAMESPACE + "/pull-policy", "pull-policy", f"{_NAMESPACE}/pull-policy"),
    _screen(_OF_NAMESPACE + "/delete", "namespace-delete", f"{_NAMESPACE}/delete"),
    _screen("/instances/{instance}/repositories", "repositories", "/instances/ci/repositories"),
    _screen(_OF_NAMESPACE + "/repositories/-/new", "repository-new", f"{_NAMESPACE}/repositories/-/new"),
    _screen(_OF_REPOSITORY, "tags", _APP),
    _screen(_OF_REPOSITORY + "/settings", "repository-settings", f"{_APP}/settings"),
    _screen(_OF_REPOSITORY + "/first-files", "first-files", f"{_APP}/first-files"),
    _screen(_OF_REPOSITORY + "/kubernetes", "kubernetes", f"{_APP}/kubernetes?tag=stable"),
    _screen(_OF_REPOSITORY + "/delete", "repository-delete", f"{_APP}/delete"),
    _screen(_OF_REPOSITORY + "/tags/{tag}/delete", "tag-delete", f"{_APP}/tags/stable/delete"),
    _screen(_OF_REPOSITORY + "/tags/{tag}/copy", "tag-copy", f"{_APP}/tags/stable/copy"),
)
