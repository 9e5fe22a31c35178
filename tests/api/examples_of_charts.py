"""Example calls of endpoints about Helm charts, by the endpoint's name."""

from __future__ import annotations

from chalicelib.registry.service import Registry
from tests.charts.making import Chart, push_chart
from tests.registry.images import owner_of

from .world import Ask, Place, example


@example
def list_charts(at: Place) -> Ask:
    return Ask(at.here(), query={"limit": 2, "namespace": "library", "search": "n", "sort": "-name"})


@example
def show_chart(at: Place) -> Ask:
    repository, _ = _pushed(at)
    parts = {"namespace": "library", "chart": repository}
    return Ask(at.here(**parts), query={"version": "1.0.0"})


@example
def show_chart_version(at: Place) -> Ask:
    repository, digest = _pushed(at)
    return Ask(at.here(namespace="library", repository=repository, digest=digest))


def _pushed(at: Place) -> tuple[str, str]:
    """A fresh repository's id, and the digest of the chart in it."""
    repository = at.repository("library")
    digest = push_chart(Registry(at.stack), owner_of(at.instance), Chart(), into=repository.name)
    return repository.id, digest
