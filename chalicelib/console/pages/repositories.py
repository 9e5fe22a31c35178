"""Image repositories (N3): all of an instance, new ones, their settings, first files, Kubernetes, and their end."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from chalicelib.acceleration.api import forget_first_files, show_first_files, tell_first_files
from chalicelib.kernel.errors import NotFound, Refused
from chalicelib.namespaces.api import show_namespace
from chalicelib.registry.deletions_api import delete_repository, show_repository_losses
from chalicelib.registry.kubernetes_api import create_kubernetes_manifests, show_kubernetes_manifests
from chalicelib.registry.tags_api import list_tags
from chalicelib.repositories.api import create_repository, edit_repository, list_all_repositories, show_repository

from ..places import NEW, here, reference, repository_path
from ..undoing import entries_of, restore
from ..visit import Visit
from . import Pages

pages = Pages()

_NAMESPACE: Final = "/instances/{instance}/namespaces/{namespace}"
_PATH: Final = _NAMESPACE + "/repositories"
_ONE: Final = _PATH + "/{repository}"
# Offered where a tag is asked for: the newest.
_TAGS_OFFERED: Final = 50


@pages.get("/instances/{instance}/repositories")
def all_repositories(visit: Visit) -> Response:
    asked = visit.asked("cursor", "search", "sort", kind="image")
    return visit.show("repositories/list.html", page=visit.ask(list_all_repositories, query=asked), reference=reference)


@pages.get(_PATH + NEW)
def new(visit: Visit) -> Response:
    return visit.show("repositories/new.html", namespace=visit.ask(show_namespace))


@pages.post(_PATH + NEW, again=new)
def create(visit: Visit) -> Response:
    made = visit.ask(create_repository, body={"name": visit.form.text("name"), **_settings(visit)})
    return visit.go(repository_path(visit, made.body), visit.words("The repository is there"))


@pages.get(_ONE + "/settings")
def settings(visit: Visit) -> Response:
    return visit.show("repositories/settings.html", repository=visit.ask(show_repository))


@pages.post(_ONE + "/settings", again=settings)
def change(visit: Visit) -> Response:
    visit.ask(edit_repository, body=_settings(visit))
    return visit.go(here(visit, "settings"), visit.words("Saved"))


def _settings(visit: Visit) -> dict[str, object]:
    """As the form has them. decided: the edition or the namespace decides about acceleration."""
    chosen: dict[str, object] = {name: visit.form.text(name) for name in ("summary", "visibility")}
    return chosen if visit.form.yes("decided") else {**chosen, "acceleration": visit.form.yes("acceleration")}


# First files ---------------------------------------------------------------------------------------------------------


@pages.get(_ONE + "/first-files")
def first_files(visit: Visit) -> Response:
    return visit.show(
        "repositories/first_files.html", repository=visit.ask(show_repository), told=visit.ask(show_first_files)
    )


@pages.post(_ONE + "/first-files", again=first_files)
def change_first_files(visit: Visit) -> Response:
    files = [line.strip() for line in visit.form.text("files").split("\n") if line.strip()]
    if files:
        visit.ask(tell_first_files, body={"files": files})
    else:
        visit.ask(forget_first_files)
    return visit.go(here(visit, "first-files"), visit.words("Saved"))


# Kubernetes ----------------------------------------------------------------------------------------------------------


@pages.get(_ONE + "/kubernetes")
def kubernetes(visit: Visit) -> Response:
    repository = visit.ask(show_repository)
    tags = visit.ask(list_tags, query={"sort": "-pushed_at", "limit": _TAGS_OFFERED}).items
    tag = visit.typed("tag", visit.query.get("tag", "") or (tags[0].tag if tags else "latest"))
    pin = visit.ticked("pin", "pin" in visit.query)
    asked = {"tag": tag, "pin": pin, **visit.asked("credential")}
    manifests = ""
    # What was refused when it was sent is not asked once more.
    if repository.kind != "chart" and visit.refused is None:
        try:
            manifests = visit.ask(show_kubernetes_manifests, query=asked).body
        except Refused as refused:
            visit.refused = refused
    return visit.show(
        "repositories/kubernetes.html", repository=repository, tags=tags, tag=tag, pin=pin, manifests=manifests
    )


@pages.post(_ONE + "/kubernetes", again=kubernetes)
def make_robot(visit: Visit) -> Response:
    """The password is shown this once, so there is no page to go to."""
    form = visit.form
    order = {"tag": form.text("tag"), "pin": form.yes("pin"), "expires_at": form.moment("expires_at")}
    made = visit.ask(create_kubernetes_manifests, body=order)
    return visit.show("repositories/kubernetes_login.html", repository=visit.ask(show_repository), manifests=made.body)


# The end -------------------------------------------------------------------------------------------------------------


@pages.get(_ONE + "/delete")
def ask_delete(visit: Visit) -> Response:
    return visit.show(
        "repositories/delete.html", repository=visit.ask(show_repository), lost=visit.ask(show_repository_losses)
    )


@pages.post(_ONE + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    name = visit.ask(show_repository).full_name
    visit.ask(delete_repository, query={"confirm": visit.form.text("confirm")})
    entries = entries_of(visit, "repository", name, {name})
    namespace = visit.within("namespaces", visit.parts["namespace"])
    undo = f"{namespace}/restore/{entries[0].id}" if entries else ""
    return visit.go(namespace, visit.words("Deleted: %(name)s", name=name), undo)


@pages.post(_NAMESPACE + "/restore/{entry}")
def undelete(visit: Visit) -> Response:
    """Takes the deletion of a repository back."""
    if not restore(visit, [visit.parts["entry"]]):
        raise NotFound("it is not in the recycle bin any more")
    return visit.go(visit.within("namespaces", visit.parts["namespace"]), visit.words("It is back"))
