"""Where people arrive, and how they come to their first image."""

from __future__ import annotations

from starlette.responses import Response

from chalicelib.instances.api import list_instances
from chalicelib.kernel.errors import Conflict
from chalicelib.scanning.api import scan_tag

from ..beginning import pushed
from ..places import reference
from ..visit import Visit
from . import Pages

pages = Pages()

_START = "/instances/{instance}/start"


@pages.get("/")
def arrive(visit: Visit) -> Response:
    """The one instance of the account, or all of them."""
    found = visit.ask(list_instances, query={"limit": 2}).items
    return visit.go(f"/instances/{found[0].name}" if len(found) == 1 else "/instances")


@pages.get(_START)
def start(visit: Visit) -> Response:
    """The commands of a first push, and how far it has come."""
    return visit.show("start/start.html", pushed=pushed(visit))


@pages.post(_START, again=start)
def scan_first(visit: Visit) -> Response:
    """Has the first image scanned."""
    found = pushed(visit)
    if found is None or found.tag is None:
        raise Conflict("there is no image to scan yet")
    repository = reference(found.repository)
    visit.ask(scan_tag, namespace=found.repository.namespace, repository=repository, tag=found.tag.tag)
    return visit.go(visit.within("start"))
