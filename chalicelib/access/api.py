"""The public allowlist in the management API (G2)."""

from __future__ import annotations

from chalicelib.edge.answers import Confirmation, Created
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.roles import Right

from .models import AllowlistAnswer, AllowlistQuery, EntryView, NewEntry
from .service import OPEN_TO_EVERYONE, Access

routes = Routes("access")


@routes.get(
    "/instances/{instance}/allowlist",
    needs=Right.READ_SETTINGS,
    feature="allowlist",
    frozen_too=True,
    from_anywhere=True,
)
def list_allowlist(call: Call, query: AllowlistQuery) -> AllowlistAnswer:
    """List the public allowlist, and check an address.

    `address`, `allowed` and `entry` tell whether the address given by `check` gets in, and by which entry; without
    `check` they tell it of your own address. With `adding` or `without` they tell how that would be after a change,
    before anybody is locked out by it.
    """
    access, instance = Access(call.stack), instance_of(call)
    standing = access.standing(
        instance, query.check or call.request.address, adding=query.adding, without=query.without
    )
    if standing is None and query.check:
        raise Invalid("check", "is no IPv4 or IPv6 address")
    page, total = access.page(instance, query)
    return AllowlistAnswer(
        items=tuple(EntryView.of(entry) for entry in page.items),
        next=page.next,
        total=total,
        address=standing.address if standing else call.request.address,
        allowed=standing is not None and standing.allowed,
        entry=EntryView.of(standing.entry) if standing and standing.entry else None,
    )


@routes.post(
    "/instances/{instance}/allowlist",
    needs=Right.CHANGE_SETTINGS,
    changes="allowlist.create",
    feature="allowlist",
    frozen_too=True,
    from_anywhere=True,
)
def create_allowlist_entry(call: Call, body: NewEntry) -> Created[EntryView]:
    """Let a network in at the public address.

    An address alone is a network of one. 409 if the network is on the list already. As soon as there is an entry,
    every address that no entry holds is refused.
    """
    instance = instance_of(call)
    call.tell(object=body.cidr)
    entry = Access(call.stack).add(instance, body.cidr, body.remark)
    return Created(EntryView.of(entry), f"/instances/{instance.id}/allowlist/{entry.id}")


@routes.get(
    "/instances/{instance}/allowlist/{entry}",
    needs=Right.READ_SETTINGS,
    feature="allowlist",
    frozen_too=True,
    from_anywhere=True,
)
def show_allowlist_entry(call: Call) -> EntryView:
    """Show an entry of the public allowlist."""
    return EntryView.of(Access(call.stack).entry(instance_of(call), call.parts["entry"]))


@routes.delete(
    "/instances/{instance}/allowlist/{entry}",
    needs=Right.CHANGE_SETTINGS,
    changes="allowlist.delete",
    feature="allowlist",
    frozen_too=True,
    from_anywhere=True,
)
def delete_allowlist_entry(call: Call, query: Confirmation) -> None:
    """Take an entry off the public allowlist.

    In force within five seconds. Without the last entry everybody with credentials gets in from anywhere: that one
    goes with `?confirm=open-to-everyone` alone.
    """
    call.tell(object=call.parts["entry"])
    removed = Access(call.stack).remove(
        instance_of(call), call.parts["entry"], open_to_everyone=query.confirm == OPEN_TO_EVERYONE
    )
    call.tell(object=removed.cidr)
