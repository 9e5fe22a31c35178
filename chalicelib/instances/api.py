"""Instances of the caller's account: list, read, and what of them may be changed. `opening` opens them."""

from __future__ import annotations

from chalicelib.edge.answers import Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.roles import Right

from .models import InstanceEdit, InstanceQuery, InstanceView, ListedInstance, instance_of
from .service import Instances

routes = Routes("instances")


@routes.get("/instances", needs=Right.READ_CONTENT)
def list_instances(call: Call, query: InstanceQuery) -> Listing[ListedInstance]:
    """List the account's instances.

    By name, up or down; with `usage`, how much of its quotas each has used up. With `search`, a page may hold fewer
    instances than `limit` and still have a `next`.
    """
    instances = Instances(call.stack)
    page = instances.page(
        call.principal.account_id,
        search=query.search,
        cursor=query.cursor,
        limit=query.limit,
        descending=query.sort == "-name",
    )
    usages = instances.usages(page.items) if query.usage else {}
    return Listing.of(page.map(lambda one: instances.listed(one, usages.get(one.id))))


@routes.get("/instances/{instance}", needs=Right.READ_CONTENT, frozen_too=True, from_anywhere=True)
def read_instance(call: Call) -> InstanceView:
    """Read an instance."""
    return Instances(call.stack).view(instance_of(call))


@routes.patch(
    "/instances/{instance}",
    needs=Right.CHANGE_BILLING,
    changes="instance.edit",
    frozen_too=True,
    from_anywhere=True,
    also=(409,),
)
def edit_instance(call: Call, body: InstanceEdit) -> InstanceView:
    """Turn auto-renewal on or off.

    With it on, the instance is prolonged by a month, from the account's balance, within the day before it expires.
    """
    instances, instance = Instances(call.stack), instance_of(call)
    call.tell(object=instance.name)
    if body.auto_renew is not None and body.auto_renew != instance.auto_renew:
        if instance.expires_at is None:
            raise Invalid("auto_renew", "this instance never expires, so there is nothing to renew")
        instance = instances.change(instance, auto_renew=body.auto_renew, unpaid_since=None)
    return instances.view(instance)
