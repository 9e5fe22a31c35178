"""An instance at a glance (I7)."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from chalicelib.kernel.errors import AddressNotAllowed
from chalicelib.overview.api import show_overview
from chalicelib.overview.models import Overview
from chalicelib.scanning.database_api import show_vulnerability_database

from .. import plots
from ..visit import Visit
from . import Pages

pages = Pages()

DAYS: Final = (1, 7, 30, 92)
_USUALLY: Final = 7


@pages.get("/instances/{instance}")
def overview(visit: Visit) -> Response:
    """Whoever is not on the allowlist sees where the instance is, and how to get in."""
    asked = visit.query.get("days", "")
    days = int(asked) if asked in map(str, DAYS) else _USUALLY
    try:
        seen = visit.ask(show_overview, query={"days": days})
    except AddressNotAllowed:
        return visit.show("overview/outside.html")
    span = plots.Span.until(visit.stack.clock.now(), days)
    return visit.show(
        "overview/overview.html",
        seen=seen,
        span=span,
        all_days=DAYS,
        database=visit.ask(show_vulnerability_database),
        **_plots(seen, span),
    )


def _plots(seen: Overview, span: plots.Span) -> dict[str, plots.Plot]:
    return {
        "storage": plots.level(span, [(point.time, point.storage) for point in seen.series]),
        "pulls": plots.counts(span, [(point.time, point.pulls) for point in seen.series]),
        "pushes": plots.counts(span, [(point.time, point.pushes) for point in seen.series]),
    }
