"""What the room does when it is told of something: messages in, messages out."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.kernel.messages import FillCache, Message
from chalicelib.ports.stack import Stack

from .filling import Filling


def fill_cache(stack: Stack, message: FillCache) -> Sequence[Message]:
    Filling(stack).fill(message)
    return ()
