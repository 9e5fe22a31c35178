"""The audit entry of a push, filed by its event: apart from `witness`, whose way to the caller consumers never need."""

from __future__ import annotations

from chalicelib.audit.models import Deed
from chalicelib.audit.service import Audit
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.ids import tail_of
from chalicelib.kernel.messages import ImagePushed
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports.stack import Stack

from .outbox import Outbox


def file_push(stack: Stack, pushed: ImagePushed) -> None:
    """The entry of a push: one, however often its event comes. Pushes that the management API made are recorded there,
    and say no request here."""
    if not pushed.request_id:
        return
    try:
        instance = Instances(stack).get(pushed.instance_id)
    except NotFound:
        return
    if instance.edition != "enterprise":
        return
    tags = ", ".join(pushed.tags)
    deed = Deed(
        time=pushed.pushed_at,
        user=pushed.pushed_by,
        object_type="tag" if tags else "manifest",
        namespace=RepositoryName(pushed.repository).namespace,
        repository=pushed.repository,
        object=f"{tags}@{pushed.digest}" if tags else pushed.digest,
        action="push",
        source_ip=pushed.source_ip,
        request_id=pushed.request_id,
    )
    incarnation, outbox = pushed.incarnation, Outbox(stack)
    Audit(stack).file(
        instance.id, deed, tail_of(incarnation), lambda seen, wanted: outbox.claim_entry(incarnation, seen, wanted)
    )
