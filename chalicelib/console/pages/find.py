"""The command palette: a page to go elsewhere from. With scripts it opens over every other page."""

from __future__ import annotations

from starlette.responses import Response

from ..finding import find
from ..visit import Visit
from . import Pages

pages = Pages()

_LONGEST = 255


@pages.get("/find")
def palette(visit: Visit) -> Response:
    text, instance = visit.query.get("q", "").strip()[:_LONGEST], visit.query.get("instance", "")
    return visit.show("find/find.html", groups=find(visit, text, instance), text=text, instance=instance)
