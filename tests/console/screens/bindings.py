"""Environments, services, their versions and images."""

from __future__ import annotations

from chalicelib.kernel.names import RepositoryName
from tests.console.world import Screen, World

_WEB = "/environments/test-001/services/web"


def furnish(world: World) -> None:
    for name, remark in (("test-001", "for the testers"), ("production", "")):
        world.api.post("/environments", {"name": name, "instance": "ci", "namespace": "tcb-images", "remark": remark})
    for name in ("web", "jobs", "mail"):
        world.api.post("/environments/test-001/services", {"name": name})
    repository = RepositoryName("tcb-images/test-001_web")
    for tag in ("v1", "v2", "v3"):
        world.shelf.library.push(tag, layers=(tag.encode(),), name=repository)
    for version, tag in (("web-001", "v1"), ("web-002", "v2")):
        world.api.post(f"{_WEB}/versions", {"name": version, "tag": tag})


def _screen(route: str, name: str, path: str) -> Screen:
    return Screen(route, name, lambda _: path)


_ENVIRONMENT = "/environments/{environment}"
_SERVICE = _ENVIRONMENT + "/services/{service}"
SCREENS = (
    _screen("/environments", "environments", "/environments"),
    _screen("/environments/-/new", "environment-new", "/environments/-/new"),
    _screen(_ENVIRONMENT, "environment", "/environments/test-001"),
    _screen(_ENVIRONMENT + "/edit", "environment-edit", "/environments/test-001/edit"),
    _screen(_ENVIRONMENT + "/delete", "environment-delete", "/environments/test-001/delete"),
    _screen(_ENVIRONMENT + "/services/-/new", "service-new", "/environments/test-001/services/-/new"),
    _screen(_SERVICE, "service", _WEB),
    _screen(_SERVICE + "/images", "service-images", f"{_WEB}/images"),
    _screen(_SERVICE + "/edit", "service-edit", f"{_WEB}/edit"),
    _screen(_SERVICE + "/delete", "service-delete", f"{_WEB}/delete"),
    _screen(_SERVICE + "/versions/new", "service-version-new", f"{_WEB}/versions/new"),
    _screen(_SERVICE + "/versions/{version}/delete", "service-version-delete", f"{_WEB}/versions/web-001/delete"),
    _screen(_SERVICE + "/images/{tag}/delete", "service-image-delete", f"{_WEB}/images/v1/delete"),
)
