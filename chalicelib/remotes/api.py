"""Remotes in the management API: registries elsewhere, to which rules and tasks bring images."""

from __future__ import annotations

from chalicelib.edge.answers import Created, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.roles import Right

from .models import NewRemote, RemoteEdit, RemoteQuery, RemoteTest, RemoteView
from .service import Remotes

routes = Routes("remotes")

_REMOTES = "/instances/{instance}/remotes"
_REMOTE = _REMOTES + "/{remote}"
_FEATURE = "sync"


@routes.get(_REMOTES, needs=Right.READ_SETTINGS, feature=_FEATURE)
def list_remotes(call: Call, query: RemoteQuery) -> Listing[RemoteView]:
    """List the registries elsewhere that an instance knows, the oldest first unless something else is said."""
    page = Remotes(call.stack).page(instance_of(call), query)
    return Listing[RemoteView].of(page.map(RemoteView.of))


@routes.post(_REMOTES, needs=Right.CHANGE_SETTINGS, changes="remote.create", feature=_FEATURE, also=(409,))
def create_remote(call: Call, body: NewRemote) -> Created[RemoteView]:
    """Make a registry elsewhere known, by a name.

    Synchronisation rules and tasks of the instance bring images there with its login. The password is kept sealed, and
    never shown. Addresses of private networks, and plain HTTP, are taken only where the operator allows such calls. 409
    where the name is taken, or the instance knows 50.
    """
    instance = instance_of(call)
    remote = Remotes(call.stack).create(instance, body, call.by)
    call.tell(object=f"{remote.name} ({remote.id})")
    return Created(RemoteView.of(remote), f"/instances/{instance.id}/remotes/{remote.id}")


@routes.get(_REMOTE, needs=Right.READ_SETTINGS, feature=_FEATURE)
def show_remote(call: Call) -> RemoteView:
    """Show a remote, by its id or name, without its password."""
    return RemoteView.of(Remotes(call.stack).get(instance_of(call), call.parts["remote"]))


@routes.patch(_REMOTE, needs=Right.CHANGE_SETTINGS, changes="remote.edit", feature=_FEATURE, also=(409,))
def edit_remote(call: Call, body: RemoteEdit) -> RemoteView:
    """Change a remote.

    The password does not go along to another address: it has to be said again. 409 where a rule brings images there and
    the address would change.
    """
    return RemoteView.of(Remotes(call.stack).edit(instance_of(call), call.parts["remote"], body))


@routes.delete(_REMOTE, needs=Right.CHANGE_SETTINGS, changes="remote.delete", feature=_FEATURE, also=(409,))
def delete_remote(call: Call) -> None:
    """Delete a remote. 409 names the rule that brings images there."""
    remote = Remotes(call.stack).delete(instance_of(call), call.parts["remote"])
    call.tell(object=f"{remote.name} ({remote.id})")


@routes.post(f"{_REMOTE}/test", needs=Right.CHANGE_SETTINGS, changes="remote.test", feature=_FEATURE, status=200)
def try_remote(call: Call) -> RemoteTest:
    """Try whether a remote answers, is a registry, and takes the login."""
    from .trying import attempt

    return attempt(call.stack, Remotes(call.stack).get(instance_of(call), call.parts["remote"]))
