"""Helm charts: which there are, and what one of them says and holds (H1)."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from chalicelib.charts.api import list_charts, show_chart

from ..ordering import ordered
from ..visit import Visit
from . import Pages

pages = Pages()

_CHARTS: Final = "/instances/{instance}/charts"
_CHART: Final = _CHARTS + "/{namespace}/{chart}"


@pages.get(_CHARTS)
def charts(visit: Visit) -> Response:
    asked = visit.asked("cursor", "search", "sort", "namespace")
    return visit.show("charts/list.html", page=visit.ask(list_charts, query=asked))


@pages.get(_CHART)
def chart(visit: Visit) -> Response:
    return _shown(visit, "charts/overview.html")


@pages.get(_CHART + "/versions")
def versions(visit: Visit) -> Response:
    shown = visit.ask(show_chart, query=visit.asked("version"))
    # They come the highest first.
    rows = ordered(
        visit,
        enumerate(shown.versions),
        {
            "version": lambda row: -row[0],
            "size": lambda row: row[1].size,
            "pushed_at": lambda row: row[1].pushed_at.timestamp(),
        },
    )
    return visit.show("charts/versions.html", chart=shown, versions=[row for _, row in rows])


@pages.get(_CHART + "/values")
def values(visit: Visit) -> Response:
    return _shown(visit, "charts/values.html")


@pages.get(_CHART + "/templates")
def templates(visit: Visit) -> Response:
    return _shown(visit, "charts/templates.html")


def _shown(visit: Visit, template: str) -> Response:
    """Of the version that the address names, or the newest."""
    return visit.show(template, chart=visit.ask(show_chart, query=visit.asked("version")))
