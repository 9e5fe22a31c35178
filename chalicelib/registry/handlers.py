"""Object events of the registry: a push object appeared, so an image was pushed."""

from __future__ import annotations

from chalicelib.kernel.messages import Message
from chalicelib.ports import paths
from chalicelib.ports.stack import Stack

from .annotation import Annotations
from .outbox import Outbox
from .push_entry import file_push
from .series import Series


def object_created(stack: Stack, bucket: str, key: str) -> list[Message]:
    """The event that a push object stands for; nothing for other objects and for pushes that were handled already."""
    if not paths.is_push(key):
        return []
    outbox = Outbox(stack)
    row = outbox.row(paths.incarnation_of(key))
    if row is None:
        return []
    file_push(stack, row)
    message = outbox.message(row)
    Annotations(stack).annotate(message)
    return [message]


def object_settled(stack: Stack, bucket: str, key: str) -> None:
    """What `object_created` answered is safely in its queues: nobody needs to be told again."""
    if paths.is_push(key):
        stack.objects(bucket).delete(key)
        if Outbox(stack).settle(paths.incarnation_of(key)):
            Series(stack).add(paths.instance_of(key), pushes=1)
