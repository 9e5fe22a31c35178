"""Charts through the API: lists, one chart with its versions, one version by its digest (H1). Both editions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.edge.answers import Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.errors import DigestInvalid, NotFound
from chalicelib.kernel.names import Digest
from chalicelib.kernel.roles import Right
from chalicelib.repositories.api import REPOSITORY, repository_of
from chalicelib.repositories.service import Repositories

from .models import ChartContent, ChartDetail, ChartQuery, ChartSummary, VersionQuery

if TYPE_CHECKING:
    from .service import Charts

routes = Routes("charts")

_CHARTS = "/instances/{instance}/charts"


@routes.get(_CHARTS, needs=Right.READ_CONTENT)
def list_charts(call: Call, query: ChartQuery) -> Listing[ChartSummary]:
    """List the Helm charts of an instance, or of one namespace.

    In name order: repositories into which a chart was pushed first, each with its highest version among the 100 tags
    pushed last. `search` goes by the name, inside the namespace where one is named. A page looks at 5 000 repositories
    at most, and may come short and still have a `next`.
    """
    return Listing[ChartSummary].of(_charts(call).page(instance_of(call), query))


@routes.get(_CHARTS + "/{namespace}/{chart}", needs=Right.READ_CONTENT)
def show_chart(call: Call, query: VersionQuery) -> ChartDetail:
    """Show a chart: its versions, and what one of them says and holds.

    {chart} is the repository's name inside the namespace, or its id where that holds a slash. Versions are tags: they
    are deleted as tags are.
    """
    instance = instance_of(call)
    repository = Repositories(call.stack).of_namespace(instance, call.parts["namespace"], call.parts["chart"])
    call.tell(repository=repository.name)
    return _charts(call).detail(instance, repository, query.version)


@routes.get(f"{REPOSITORY}/manifests/{{digest}}/chart", needs=Right.READ_CONTENT)
def show_chart_version(call: Call) -> ChartContent:
    """Show what one version of a chart says and holds.

    404 for a manifest that is no chart.
    """
    repository = repository_of(call)
    try:
        digest = Digest.parse(call.parts["digest"])
    except DigestInvalid:
        raise NotFound("there is no such chart") from None
    return _charts(call).version(instance_of(call), repository, digest)


def _charts(call: Call) -> Charts:
    # A function that serves the API starts without it.
    from .service import Charts

    return Charts(call.stack)
