"""Images are brought from one place to another."""

from __future__ import annotations

from chalicelib.edge.consume import encode
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.messages import ContinueTransfer

from .functions import Functions


def nobodys_transfer(aws: Functions) -> None:
    """A message that outlived its task."""
    message = ContinueTransfer(instance_id=new_id(), task_id=new_id())
    aws.stack.queues.send(message.queue, [encode(message)])
    aws.settle()
