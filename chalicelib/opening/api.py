"""Opening an instance, and the buckets it may be opened in."""

from __future__ import annotations

from chalicelib.edge.answers import Created, Listing, ListQuery
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.buckets import Bucket, Buckets
from chalicelib.instances.models import InstanceView
from chalicelib.instances.service import Instances
from chalicelib.kernel.roles import Right

from .models import NewInstance
from .service import Opening

routes = Routes("opening")

# Of a name that may be none: the audit need not keep a novel.
_LONGEST_TOLD = 64


@routes.get("/buckets", needs=Right.READ_SETTINGS)
def list_buckets(call: Call, query: ListQuery) -> Listing[Bucket]:
    """List the account's buckets, in name order.

    An enterprise instance lies in one of them, and nothing of it lies anywhere else. On AWS, a bucket that is not
    listed can be named too, if it bears the tag `crs:account` with your account's name.
    """
    return Listing.of(Buckets(call.stack).page(call.principal.account_id, query.cursor, query.limit))


@routes.post("/instances", needs=Right.CHANGE_BILLING, changes="instance.create")
def open_instance(call: Call, body: NewInstance) -> Created[InstanceView]:
    """Open an instance.

    An enterprise instance is paid from the account's balance (`BALANCE_TOO_LOW` if that does not cover it) and at first
    lets nobody in but the machine itself: see its allowlist. A personal one costs nothing; an account has one at most.
    """
    name = body.given.get("name")
    call.tell(object=name[:_LONGEST_TOLD] if isinstance(name, str) else "")
    instance = Opening(call.stack).open(call.principal.account_id, body, call.by)
    return Created(Instances(call.stack).view(instance), f"/instances/{instance.id}")
