"""Messages of advice: a push that is to be looked over, and the steps of its task."""

from __future__ import annotations

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.messages import ImagePushed, Message
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Step, Task

from .service import Advice


def look_over_push(stack: Stack, pushed: ImagePushed) -> list[Message]:
    """A task is made, unless a scan reads the layers anyway. The task's service sends its first message."""
    try:
        instance = Instances(stack).get(pushed.instance_id)
    except NotFound:
        return []
    Advice(stack).look_over_push(instance, pushed)
    return []


def carry_out(stack: Stack, task: Task) -> Step:
    """One step: it reads a few small layers, or a large one."""
    from .steps import step

    return step(stack, task)
