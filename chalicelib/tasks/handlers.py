"""Messages of tasks."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.kernel.messages import ContinueTask, Message
from chalicelib.ports.stack import Stack

from .service import Tasks, Worker


def continue_task(stack: Stack, message: ContinueTask, workers: Mapping[str, Worker]) -> list[Message]:
    """One step. `workers`: the rooms above that carry out each kind of task."""
    return list(Tasks(stack).carry_out(message.instance_id, message.task_id, workers))
