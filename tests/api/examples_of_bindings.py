"""Example calls of endpoints about environments, services and versions, by the endpoint's name."""

from __future__ import annotations

from chalicelib.kernel.names import RepositoryName
from chalicelib.registry.service import Registry
from tests.registry.images import owner_of, push_image

from .world import Ask, Place, example, fresh


def _environment(at: Place) -> dict[str, str]:
    return {"environment": at.create("/environments", {"name": fresh("env"), "instance": at.instance.id})["name"]}


def _service(at: Place) -> dict[str, str]:
    parts = _environment(at)
    made = at.create(f"/environments/{parts['environment']}/services", {"name": fresh("web")})
    return {**parts, "service": made["name"]}


def _image(at: Place) -> dict[str, str]:
    """A service whose repository holds a tag of its own."""
    parts, tag = _service(at), fresh("v")
    binding = at.owner.get(_path(parts)).json()["binding"]
    name = RepositoryName.parse(f"{binding['namespace']}/{binding['repository']}")
    push_image(Registry(at.stack), owner_of(at.instance), b"a layer", tag=tag, name=name)
    return {**parts, "tag": tag}


def _version(at: Place) -> dict[str, str]:
    image = _image(at)
    tag = image.pop("tag")
    made = at.create(f"{_path(image)}/versions", {"name": fresh("release"), "tag": tag})
    return {**image, "version": made["name"]}


def _path(parts: dict[str, str]) -> str:
    return f"/environments/{parts['environment']}/services/{parts['service']}"


@example
def list_environments(at: Place) -> Ask:
    _environment(at)
    return Ask(query={"limit": 1, "search": "env"})


@example
def create_environment(at: Place) -> Ask:
    return Ask(body={"name": fresh("env"), "instance": at.instance.id, "remark": "tests"})


@example
def show_environment(at: Place) -> Ask:
    return Ask(_environment(at))


@example
def edit_environment(at: Place) -> Ask:
    return Ask(_environment(at), body={"remark": "for tests"})


@example
def delete_environment(at: Place) -> Ask:
    return Ask(_environment(at))


@example
def list_services(at: Place) -> Ask:
    parts = _service(at)
    del parts["service"]
    return Ask(parts, query={"limit": 1})


@example
def create_service(at: Place) -> Ask:
    return Ask(_environment(at), body={"name": fresh("web"), "binding": {"mode": "default"}})


@example
def show_service(at: Place) -> Ask:
    return Ask(_service(at))


@example
def edit_service(at: Place) -> Ask:
    return Ask(_service(at), body={"remark": "the shop"})


@example
def delete_service(at: Place) -> Ask:
    return Ask(_service(at))


@example
def list_versions(at: Place) -> Ask:
    parts = _version(at)
    del parts["version"]
    return Ask(parts, query={"limit": 1})


@example
def create_version(at: Place) -> Ask:
    parts = _image(at)
    tag = parts.pop("tag")
    return Ask(parts, body={"name": fresh("release"), "tag": tag})


@example
def show_version(at: Place) -> Ask:
    return Ask(_version(at))


@example
def delete_version(at: Place) -> Ask:
    return Ask(_version(at))


@example
def list_service_images(at: Place) -> Ask:
    parts = _version(at)
    del parts["version"]
    return Ask(parts, query={"limit": 1, "sort": "-pushed_at"})


@example
def delete_service_image(at: Place) -> Ask:
    return Ask(_image(at))
