"""Which versions have a vulnerability, across the whole instance (S1)."""

from __future__ import annotations

from starlette.responses import Response

from chalicelib.scanning.api import list_vulnerable_images

from ..visit import Visit
from . import Pages

pages = Pages()


@pages.get("/instances/{instance}/vulnerabilities")
def vulnerabilities(visit: Visit) -> Response:
    asked = visit.asked("cursor", "search", "severity", "fixable", "silenced")
    return visit.show("vulnerabilities/list.html", page=visit.ask(list_vulnerable_images, query=asked))
