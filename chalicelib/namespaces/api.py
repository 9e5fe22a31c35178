"""Namespaces in the management API (N1). Deleting one takes its content along: `registry/deletions_api.py`."""

from __future__ import annotations

from chalicelib.edge.answers import Created, Listing, SearchQuery, Sorting
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.roles import Right

from .models import Namespace, NamespaceEdit, NamespaceView, NewNamespace
from .service import Namespaces

routes = Routes("namespaces")


class NamespaceQuery(SearchQuery):
    """sort: by name, up or down."""

    sort: Sorting = "name"


@routes.get("/instances/{instance}/namespaces", needs=Right.READ_CONTENT)
def list_namespaces(call: Call, query: NamespaceQuery) -> Listing[NamespaceView]:
    """List the namespaces of an instance.

    In name order. A search looks at 5 000 namespaces at most and then answers a cursor, also where it found none yet.
    """
    namespaces, instance = Namespaces(call.stack), instance_of(call)
    descending = query.sort == "-name"
    if query.search:
        page = namespaces.search(
            instance.id, query.search, cursor=query.cursor, limit=query.limit, descending=descending
        )
    else:
        page = namespaces.list(instance.id, cursor=query.cursor, limit=query.limit, descending=descending)
    return Listing[NamespaceView].of(page.map(lambda namespace: namespace.view))


@routes.post("/instances/{instance}/namespaces", needs=Right.CHANGE_CONTENT, changes="namespace.create")
def create_namespace(call: Call, body: NewNamespace) -> Created[NamespaceView]:
    """Make a namespace.

    409 if the name is taken, 403 QUOTA_EXCEEDED where the instance holds as many as it may. `acceleration` needs an
    enterprise instance.
    """
    call.tell(namespace=body.name)
    namespace = Namespaces(call.stack).create(instance_of(call), body)
    return Created(namespace.view, _path(namespace))


@routes.get("/instances/{instance}/namespaces/{namespace}", needs=Right.READ_CONTENT)
def show_namespace(call: Call) -> NamespaceView:
    """Show a namespace."""
    return Namespaces(call.stack).get(instance_of(call).id, call.parts["namespace"], fresh=True).view


@routes.patch("/instances/{instance}/namespaces/{namespace}", needs=Right.CHANGE_CONTENT, changes="namespace.edit")
def edit_namespace(call: Call, body: NamespaceEdit) -> NamespaceView:
    """Change a namespace's settings.

    What the body does not name stays as it is. A namespace keeps its name for ever.
    """
    return Namespaces(call.stack).edit(instance_of(call), call.parts["namespace"], body).view


def _path(namespace: Namespace) -> str:
    return f"/instances/{namespace.instance_id}/namespaces/{namespace.name}"
