"""An instance at a glance."""

from __future__ import annotations

from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.roles import Right

from .models import Overview, OverviewQuery
from .service import Overviews

routes = Routes("overview")


@routes.get("/instances/{instance}/overview", needs=Right.READ_CONTENT, frozen_too=True)
def show_overview(call: Call, query: OverviewQuery) -> Overview:
    """Show an instance at a glance.

    Used and total of its quotas, its addresses, how storage, pulls and pushes went, which tasks failed, what comes by
    itself next, and what was pushed last.
    """
    return Overviews(call.stack).of(instance_of(call), query.days)
