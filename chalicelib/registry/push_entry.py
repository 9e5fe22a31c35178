"""The audit entry of a push, filed by its event: apart from `witness`, whose way to the caller consumers never need."""

from __future__ import annotations

from chalicelib.audit.models import Deed
from chalicelib.audit.service import Audit
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.ids import tail_of
from chalicelib.kernel.moment import from_text
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item

from .outbox import Outbox


def file_push(stack: Stack, row: Item) -> None:
    """The entry of a push, from its outbox row: one, however often its event comes. Pushes that the management API
    made are recorded there, and say no request here."""
    if not row.get("request_id"):
        return
    try:
        instance = Instances(stack).get(row["instance_id"])
    except NotFound:
        return
    if instance.edition != "enterprise":
        return
    tags = ", ".join(row["tags"])
    deed = Deed(
        time=from_text(row["pushed_at"]),
        user=row["pushed_by"],
        object_type="tag" if tags else "manifest",
        namespace=RepositoryName(row["repository"]).namespace,
        repository=row["repository"],
        object=f"{tags}@{row['digest']}" if tags else row["digest"],
        action="push",
        source_ip=row["source_ip"],
        request_id=row["request_id"],
    )
    incarnation, outbox = row["incarnation"], Outbox(stack)
    Audit(stack).file(
        instance.id, deed, tail_of(incarnation), lambda seen, wanted: outbox.claim_entry(incarnation, seen, wanted)
    )
