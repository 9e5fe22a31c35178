"""Messages of accelerated images: a push that may want one, the steps of its task, a layer to be converted, the end."""

from __future__ import annotations

from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.messages import ConvertLayer, ImagePushed, Message
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Step, Task

from .service import Acceleration


def accelerate_push(stack: Stack, pushed: ImagePushed) -> list[Message]:
    """A task is made where the repository wants it. The task's service sends its first message."""
    try:
        instance = Instances(stack).get(pushed.instance_id)
    except NotFound:
        return []
    Acceleration(stack).accelerate_push(instance, pushed)
    return []


def carry_out(stack: Stack, task: Task) -> Step:
    """One step: it reads one layer at most, and converts none."""
    from .steps import step

    return step(stack, task)


def convert_layer(stack: Stack, message: ConvertLayer) -> list[Message]:
    """Whoever waits for the layer is woken when it is done."""
    from .converter import convert_layer as convert

    convert(stack, message)
    return []


def tell_ended(stack: Stack, task: Task) -> None:
    """A conversion has ended. Safe to repeat."""
    try:
        instance = Instances(stack).load(task.instance_id)
    except NotFound:
        return
    Acceleration(stack).tell_ended(instance, task)
