"""Images brought in from other registries, and whole instances taken over into others (K2, K3)."""

from __future__ import annotations

import re
from typing import Any, Final

from starlette.responses import Response

from chalicelib.instances.api import list_instances
from chalicelib.migration.api import list_migrations, start_migration
from chalicelib.tasks.models import UNFINISHED

from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/migrations"
_INSTANCES: Final = 200


@pages.get(_PATH)
def migrations(visit: Visit) -> Response:
    page = visit.ask(list_migrations, query=visit.asked("cursor", "search", "sort", "state"))
    return visit.show("migrations/list.html", page=page, goes_on=any(task.state in UNFINISHED for task in page.items))


@pages.get(_PATH + "/new")
def new(visit: Visit) -> Response:
    return visit.show("migrations/new.html", address=visit.told(visit.instance.public_address))


@pages.post(_PATH + "/new", again=new)
def start(visit: Visit) -> Response:
    body: dict[str, Any] = {"override": visit.form.yes("override"), "images": visit.form.text("images")}
    return _begun(visit, {**body, **visit.form.given("auth")})


@pages.get(_PATH + "/whole")
def new_whole(visit: Visit) -> Response:
    others = visit.ask(list_instances, query={"limit": _INSTANCES}).items
    return visit.show("migrations/whole.html", others=[one for one in others if one.id != visit.instance.id])


@pages.post(_PATH + "/whole", again=new_whole)
def start_whole(visit: Visit) -> Response:
    body: dict[str, Any] = {
        "override": visit.form.yes("override"),
        "target_instance": visit.form.text("target_instance"),
    }
    named = [name for name in re.split(r"[\s,]+", visit.form.text("namespaces")) if name]
    return _begun(visit, {**body, **({"namespaces": named} if named else {})})


def _begun(visit: Visit, body: dict[str, Any]) -> Response:
    task = visit.ask(start_migration, body=body).task
    return visit.go(visit.within("tasks", task.id), visit.words("The migration has begun"))
