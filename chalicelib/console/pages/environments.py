"""Environments, and the services in each (B1, B4)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from starlette.responses import Response

from chalicelib.bindings.api import (
    create_environment,
    create_service,
    delete_environment,
    edit_environment,
    list_environments,
    list_services,
    show_environment,
)
from chalicelib.instances.api import list_instances

from ..places import NEW
from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/environments"
_ENVIRONMENT: Final = _PATH + "/{environment}"
# That a form offers to choose from.
_INSTANCES: Final = 200


@pages.get(_PATH)
def environments(visit: Visit) -> Response:
    page = visit.ask(list_environments, query=visit.asked("cursor", "search", "sort"))
    return visit.show("bindings/environments.html", page=page)


@pages.get(_PATH + NEW)
def new(visit: Visit) -> Response:
    return visit.show("bindings/new_environment.html", instances=_instances(visit))


@pages.post(_PATH + NEW, again=new)
def create(visit: Visit) -> Response:
    made = visit.ask(create_environment, body=visit.form.given("name", "instance", "namespace", "remark")).body
    return visit.go(place(made.name), visit.words("Environment %(name)s was made", name=made.name))


@pages.get(_ENVIRONMENT)
def environment(visit: Visit) -> Response:
    return visit.show(
        "bindings/environment.html",
        environment=visit.ask(show_environment),
        page=visit.ask(list_services, query=visit.asked("cursor", "search", "sort")),
    )


@pages.get(_ENVIRONMENT + "/edit")
def ask_edit(visit: Visit) -> Response:
    return visit.show("bindings/edit_environment.html", environment=visit.ask(show_environment))


@pages.post(_ENVIRONMENT + "/edit", again=ask_edit)
def edit(visit: Visit) -> Response:
    changed = visit.ask(edit_environment, body={"remark": visit.form.text("remark")})
    return visit.go(place(changed.name), visit.words("%(name)s was changed", name=changed.name))


@pages.get(_ENVIRONMENT + "/delete")
def ask_delete(visit: Visit) -> Response:
    return visit.show("bindings/delete_environment.html", environment=visit.ask(show_environment))


@pages.post(_ENVIRONMENT + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    visit.ask(delete_environment)
    return visit.go(_PATH, visit.words("%(name)s was deleted", name=visit.parts["environment"]))


@pages.get(_ENVIRONMENT + "/services" + NEW)
def new_service(visit: Visit) -> Response:
    shown = visit.ask(show_environment)
    return visit.show("bindings/new_service.html", environment=shown, instances=_instances(visit))


@pages.post(_ENVIRONMENT + "/services" + NEW, again=new_service)
def add_service(visit: Visit) -> Response:
    form = visit.form
    binding: dict[str, Any] = {"mode": form.text("binding.mode", "default")}
    if binding["mode"] == "existing":
        names = ("instance", "namespace", "repository")
        binding |= {name: form.text(f"binding.{name}") for name in names if form.text(f"binding.{name}")}
    made = visit.ask(create_service, body={**form.given("name", "remark"), "binding": binding}).body
    told = (
        visit.words("Service %(name)s is bound to the repository that was kept, with its images", name=made.name)
        if made.reused
        else visit.words("Service %(name)s was made", name=made.name)
    )
    return visit.go(place(made.environment, "services", made.name), told)


def place(*parts: str) -> str:
    """A page of environments, for `go`."""
    return "/".join([_PATH, *(quote(part, safe="") for part in parts)])


def _instances(visit: Visit) -> list[str]:
    return [one.name for one in visit.ask(list_instances, query={"limit": _INSTANCES}).items]
