"""Messages of synchronisation: a push that rules may want, the steps of its tasks, and their end."""

from __future__ import annotations

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.messages import ImagePushed, Message
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Step, Task


def sync_push(stack: Stack, pushed: ImagePushed) -> list[Message]:
    """A task is made for each rule that wants the push. The tasks' service sends their first messages."""
    from .pushes import Pushes

    try:
        instance = Instances(stack).get(pushed.instance_id)
    except NotFound:
        return []
    Pushes(stack).sync_push(instance, pushed)
    return []


def carry_out(stack: Stack, task: Task) -> Step:
    """One step: it brings images for a minute and a half at most, and then goes on in another."""
    from .steps import step

    return step(stack, task)


def tell_ended(stack: Stack, task: Task) -> None:
    """A task has ended: the audit record says how. Safe to repeat."""
    from .ending import tell_ended as tell

    tell(stack, task)
