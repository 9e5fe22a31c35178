"""The schedule of billing."""

from __future__ import annotations

from chalicelib.kernel.messages import Message
from chalicelib.ports.stack import Stack

from .lives import Lives


def advance_lives(stack: Stack) -> list[Message]:
    """Renews, freezes and gives up what is due; answers the deletions that have to begin."""
    return Lives(stack).advance()
