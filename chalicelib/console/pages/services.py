"""A service: its versions, and the images of its repository with who uses them (B2, B3)."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from chalicelib.bindings.api import (
    create_version,
    delete_service,
    delete_service_image,
    delete_version,
    edit_service,
    list_service_images,
    list_versions,
    show_service,
    show_version,
)
from chalicelib.bindings.shapes import ServiceImageView
from chalicelib.kernel.errors import NotFound

from ..undoing import entries_of
from ..visit import Visit
from . import Pages
from .environments import place

pages = Pages()

_SERVICE: Final = "/environments/{environment}/services/{service}"
_VERSION: Final = _SERVICE + "/versions/{version}"
_IMAGE: Final = _SERVICE + "/images/{tag}"


@pages.get(_SERVICE)
def service(visit: Visit) -> Response:
    return visit.show(
        "bindings/versions.html",
        service=visit.ask(show_service),
        page=visit.ask(list_versions, query=visit.asked("cursor", "search", "sort")),
    )


@pages.get(_SERVICE + "/images")
def images(visit: Visit) -> Response:
    shown = visit.ask(show_service)
    # While the repository is deleted there are none; the page says so.
    page = None
    if not shown.repository_missing:
        page = visit.ask(list_service_images, query=visit.asked("cursor", "search", "sort"))
    return visit.show("bindings/images.html", service=shown, page=page)


@pages.get(_SERVICE + "/edit")
def ask_edit(visit: Visit) -> Response:
    return visit.show("bindings/edit_service.html", service=visit.ask(show_service))


@pages.post(_SERVICE + "/edit", again=ask_edit)
def edit(visit: Visit) -> Response:
    changed = visit.ask(edit_service, body={"remark": visit.form.text("remark")})
    return visit.go(_here(visit), visit.words("%(name)s was changed", name=changed.name))


@pages.get(_SERVICE + "/delete")
def ask_delete(visit: Visit) -> Response:
    return visit.show("bindings/delete_service.html", service=visit.ask(show_service))


@pages.post(_SERVICE + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    visit.ask(delete_service)
    told = visit.words("%(name)s was deleted; its repository stays", name=visit.parts["service"])
    return visit.go(place(visit.parts["environment"]), told)


@pages.get(_SERVICE + "/versions/new")
def new_version(visit: Visit) -> Response:
    return visit.show("bindings/new_version.html", service=visit.ask(show_service), tags=_tags(visit))


@pages.post(_SERVICE + "/versions/new", again=new_version)
def add_version(visit: Visit) -> Response:
    made = visit.ask(create_version, body=visit.form.given("name", "tag")).body
    return visit.go(_here(visit), visit.words("Version %(name)s was made of %(tag)s", name=made.name, tag=made.tag))


@pages.get(_VERSION + "/delete")
def ask_delete_version(visit: Visit) -> Response:
    return visit.show("bindings/delete_version.html", version=visit.ask(show_version))


@pages.post(_VERSION + "/delete", again=ask_delete_version)
def remove_version(visit: Visit) -> Response:
    visit.ask(delete_version)
    told = visit.words("Version %(name)s was deleted; its image stays", name=visit.parts["version"])
    return visit.go(_here(visit), told)


@pages.get(_IMAGE + "/delete")
def ask_delete_image(visit: Visit) -> Response:
    return visit.show("bindings/delete_image.html", service=visit.ask(show_service), image=_image(visit))


@pages.post(_IMAGE + "/delete", again=ask_delete_image)
def remove_image(visit: Visit) -> Response:
    """confirm: the versions that the page named. One that came since is told of anew."""
    shown = visit.ask(show_service)
    visit.ask(delete_service_image, query={"confirm": visit.form.text("broken")})
    binding = shown.binding
    repository = f"{binding.namespace}/{binding.repository}"
    told = visit.words("%(tag)s is in the recycle bin", tag=visit.parts["tag"])
    return visit.go(_here(visit, "images"), told, undo=_undo(visit, binding.instance_id, repository))


def _undo(visit: Visit, instance: str, repository: str) -> str:
    """The path that brings it back; "" where it is there no more. repository: its full name."""
    # Its accelerated version comes back with it.
    entries = entries_of(visit, "tag", repository, {visit.parts["tag"]}, instance=instance)
    return f"/instances/{instance}/recycle-bin/{entries[0].id}/restore" if entries else ""


def _image(visit: Visit) -> ServiceImageView:
    """Raises NotFound."""
    tag = visit.parts["tag"]
    for one in visit.ask(list_service_images, query={"prefix": tag, "limit": 1}).items:
        if one.tag == tag:
            return one
    raise NotFound(f"there is no image {tag} here any more")


def _tags(visit: Visit) -> list[str]:
    """To choose from, the newest first."""
    try:
        page = visit.ask(list_service_images, query={"sort": "-pushed_at", "limit": 100})
    except NotFound:
        return []
    return [one.tag for one in page.items]


def _here(visit: Visit, *rest: str) -> str:
    return place(visit.parts["environment"], "services", visit.parts["service"], *rest)
