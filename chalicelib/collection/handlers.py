"""Schedules and messages of collection."""

from __future__ import annotations

from chalicelib.kernel.messages import ClearDue, Message
from chalicelib.ports.stack import Stack
from chalicelib.tasks.service import Tasks

from .service import Sweeper


def sweep(stack: Stack) -> list[Message]:
    """A command for each shard of each kind of work that has something due, and each task that nobody looks after."""
    due = [ClearDue(kind=kind, partition=partition) for kind, partition in Sweeper(stack).overdue()]
    return [*due, *Tasks(stack).overdue()]


def clear_due(stack: Stack, message: ClearDue) -> list[Message]:
    """Does a batch of one shard's due work, and asks for the next while there is more."""
    more = Sweeper(stack).clear(message.kind, message.partition)
    return [ClearDue(kind=message.kind, partition=message.partition, caused_by=message.id)] if more else []
