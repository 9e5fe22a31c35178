"""Object events of the registry: a push object appeared, so an image was pushed.

    push object ─► object_created ─► ImagePushed ─► record ─► annotate ─► … ─► settle: push object and outbox row go

All of it is done again, from the beginning, until `settle` is through. So each handler writes only what is written the
same a second time, and what follows later than at once has a durable row of its own.
"""

from __future__ import annotations

from chalicelib.kernel.messages import ImagePushed, Message
from chalicelib.ports import paths
from chalicelib.ports.stack import Stack

from .annotation import Annotations
from .outbox import PATIENCE, Outbox
from .push_entry import file_push
from .series import Series


def object_created(stack: Stack, bucket: str, key: str) -> list[Message]:
    """The event that a push object stands for; nothing for other objects and for pushes that were handled already."""
    if not paths.is_push(key):
        return []
    outbox = Outbox(stack)
    row = outbox.row(paths.incarnation_of(key))
    if row is None:
        # The sweeper made it once more in the moment it was settled. Its row is older than the first of its objects.
        stack.objects(bucket).delete(key)
        return []
    return [outbox.message(row)]


def record(stack: Stack, pushed: ImagePushed) -> list[Message]:
    """The push stands in the audit record."""
    file_push(stack, pushed)
    return []


def annotate(stack: Stack, pushed: ImagePushed) -> list[Message]:
    """Lists find what they show of the image on its row."""
    Annotations(stack).annotate(pushed)
    return []


def settle(stack: Stack, pushed: ImagePushed) -> list[Message]:
    """All that follows from the push is done or durably noted, so nobody is told of it again. The last handler."""
    key = paths.push(pushed.instance_id, pushed.repository_id, pushed.incarnation)
    object_settled(stack, pushed.bucket, key)
    if stack.clock.now() >= pushed.pushed_at + PATIENCE:
        # A sweep may have made it once more before the row was gone, and that event may get lost.
        stack.objects(pushed.bucket).delete(key)
    return []


def object_settled(stack: Stack, bucket: str, key: str) -> None:
    """The push object goes first: without its row nobody would look for it. Its push is counted with the row's end."""
    stack.objects(bucket).delete(key)
    incarnation, instance_id = paths.incarnation_of(key), paths.instance_of(key)
    series = Series(stack)
    Outbox(stack).settle(incarnation, once=series.of_push(instance_id, incarnation))
    series.note_storage(instance_id)
