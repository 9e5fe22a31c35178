"""Helm charts."""

from __future__ import annotations

from typing import Final

from tests.charts.making import FILES, Chart, put_chart
from tests.console.world import Screen, World

README: Final = b"""# web

Serves pages.

## Install

    helm install my-release oci://registry.example.com/library/web
"""
VALUES: Final = b"replicas: 2\nimage:\n  repository: library/shop\n  tag: 2.4.0\n"
MORE: Final = {
    "appVersion": "1.27.1",
    "home": "https://example.com/web",
    "icon": "https://example.com/web.svg",
    "kubeVersion": ">=1.27.0",
    "keywords": ["web", "proxy", "http"],
    "sources": ["https://git.example.com/web"],
    "maintainers": [{"name": "Web team", "email": "web@example.com", "url": "https://example.com/team"}],
    "dependencies": [{"name": "common", "version": "2.x.x", "repository": "oci://registry.example.com/charts"}],
}


def furnish(world: World) -> None:
    library = world.shelf.library
    files = {**FILES, "README.md": README, "values.yaml": VALUES}
    for version in ("0.9.0", "1.0.0", "1.1.0-rc.1"):
        put_chart(library, Chart("web", version, MORE, files, provenance=b"signed" if version == "1.0.0" else b""))
    put_chart(library, Chart("common", "2.0.1", {"type": "library"}))
    put_chart(library, Chart("old-proxy", "0.1.0+build.7", {"deprecated": True}))


_CHART: Final = "/instances/{instance}/charts/{namespace}/{chart}"
SCREENS = (
    Screen("/instances/{instance}/charts", "charts", lambda _: "/instances/ci/charts"),
    Screen(_CHART, "chart", lambda _: "/instances/ci/charts/library/web"),
    Screen(f"{_CHART}/versions", "chart-versions", lambda _: "/instances/ci/charts/library/web/versions"),
    Screen(f"{_CHART}/values", "chart-values", lambda _: "/instances/ci/charts/library/web/values"),
    Screen(f"{_CHART}/templates", "chart-templates", lambda _: "/instances/ci/charts/library/web/templates"),
)
