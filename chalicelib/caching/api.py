"""Pull-through caches in the management API (X7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.edge.answers import Created, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.roles import Right

from .models import CacheEdit, CacheQuery, CacheView, NewCache

if TYPE_CHECKING:
    from .service import Caches

routes = Routes("caching")

_CACHE = "/instances/{instance}/caches/{namespace}"


@routes.get("/instances/{instance}/caches", needs=Right.READ_SETTINGS)
def list_caches(call: Call, query: CacheQuery) -> Listing[CacheView]:
    """List the namespaces of an instance that pull through another registry, in the order of their names.

    A page may be short though more follow: go on while `next` is given.
    """
    return Listing[CacheView].of(_caches(call).list(instance_of(call), query))


@routes.post("/instances/{instance}/caches", needs=Right.CHANGE_SETTINGS, changes="cache.create")
def create_cache(call: Call, body: NewCache) -> Created[CacheView]:
    """Have a namespace pull through another registry, and keep what comes.

    A pull of `<namespace>/<name>` answers from here, or from `<upstream>/<name>`. Tags are asked for there again after
    `ttl_seconds`; while the upstream does not answer, what is here is served. Nothing is pushed into such a namespace.
    409 where it holds repositories, or has an upstream already. The password is never shown again.
    """
    # Whoever writes a login into the address has it refused, and not recorded.
    call.tell(namespace=body.namespace, object=body.upstream.rpartition("@")[2])
    instance = instance_of(call)
    made = _caches(call).create(instance, body, call.by)
    return Created(made, f"/instances/{instance.id}/caches/{made.namespace}")


@routes.get(_CACHE, needs=Right.READ_SETTINGS)
def show_cache(call: Call) -> CacheView:
    """Show where a namespace pulls through, without the password."""
    return _caches(call).get(instance_of(call), call.parts["namespace"])


@routes.patch(_CACHE, needs=Right.CHANGE_SETTINGS, changes="cache.edit", also=(409,))
def edit_cache(call: Call, body: CacheEdit) -> CacheView:
    """Change where a namespace pulls through, with which login, and how often tags are asked for.

    What the body does not name stays as it is; `password` "" ends the login. An upstream at another host needs the
    password anew: it is never sent to a host that it was not given for. 409 where somebody changed it meanwhile.
    """
    return _caches(call).edit(instance_of(call), call.parts["namespace"], body)


@routes.delete(_CACHE, needs=Right.CHANGE_SETTINGS, changes="cache.delete", also=(409,))
def delete_cache(call: Call) -> None:
    """Make a namespace that pulls through another registry an ordinary one.

    What it holds stays, and may be pushed over. 409 where somebody changed it meanwhile.
    """
    _caches(call).delete(instance_of(call), call.parts["namespace"])


def _caches(call: Call) -> Caches:
    # A function that serves the API starts without it.
    from .service import Caches

    return Caches(call.stack)
