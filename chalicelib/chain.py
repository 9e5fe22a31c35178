"""Who reacts to what: the one table from messages to handlers.

    push object written ─► object_created ─► ImagePushed    (nothing follows an image yet)
    every minute        ─► sweep          ─► ClearDue ─► clear_due ─► ClearDue   (while more is due)

A handler takes (stack, message), answers follow-up messages, and may be called twice with the same one. Each is
imported with its first message, so that a function loads only the rooms it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chalicelib.edge.consume import Chain
from chalicelib.kernel.messages import ClearDue, ImagePushed, Message
from chalicelib.ports.stack import Stack


def _clear_due(stack: Stack, message: ClearDue) -> Sequence[Message]:
    from chalicelib.collection.handlers import clear_due

    return clear_due(stack, message)


CHAIN: Final[Chain] = {
    ImagePushed: (),
    ClearDue: (_clear_due,),
}
