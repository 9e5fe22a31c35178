"""Messages of closing."""

from __future__ import annotations

from chalicelib.kernel.messages import ContinueTask, Message, ReleaseInstance
from chalicelib.kernel.principal import SYSTEM
from chalicelib.ports.stack import Stack

from .service import Closing


def release_instance(stack: Stack, message: ReleaseInstance) -> list[Message]:
    """An instance's time is over: its deletion begins, or goes on."""
    task = Closing(stack).go_on(message.instance_id, SYSTEM.name)
    return [ContinueTask(instance_id=task.instance_id, task_id=task.id, caused_by=message.id)] if task else []
