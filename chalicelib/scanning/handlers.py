"""Messages of scans: a push that may want one, the steps of its task, and its end."""

from __future__ import annotations

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.messages import ImagePushed, Message
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Step, Task

from .service import Scanning


def scan_push(stack: Stack, pushed: ImagePushed) -> list[Message]:
    """A scan is begun where the namespace wants one of each push. The task's service sends its first message."""
    try:
        instance = Instances(stack).get(pushed.instance_id)
    except NotFound:
        return []
    Scanning(stack).scan_push(instance, pushed)
    return []


def carry_out(stack: Stack, task: Task) -> Step:
    """One step of a scan."""
    from .steps import step

    return step(stack, task)


def tell_ended(stack: Stack, task: Task) -> None:
    """A scan has ended. Safe to repeat."""
    try:
        instance = Instances(stack).load(task.instance_id)
    except NotFound:
        return
    Scanning(stack).tell_ended(instance, task)
