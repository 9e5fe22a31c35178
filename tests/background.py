"""The background of a test's stack: messages of tasks and due work, brought until nothing is left."""

from __future__ import annotations

from chalicelib.chain import CHAIN
from chalicelib.collection.handlers import sweep
from chalicelib.collection.service import Sweeper
from chalicelib.edge.consume import decode, handle, send
from chalicelib.kernel.messages import (
    ContinueAcceleration,
    ContinueScan,
    ContinueTask,
    ContinueTransfer,
    RescanImages,
)
from chalicelib.ports.stack import Stack

QUEUES = (
    ContinueTask.queue,
    ContinueScan.queue,
    ContinueAcceleration.queue,
    ContinueTransfer.queue,
    RescanImages.queue,
)


def run_tasks(stack: Stack) -> int:
    """Brings the messages of the queues of tasks, and those that follow. Answers how many there were."""
    brought = 0
    while found := [(queue, one) for queue in QUEUES for one in stack.queues.receive(queue, visibility_s=60)]:
        for queue, delivery in found:
            handle(stack, decode(delivery.body, [known for known in CHAIN if known.queue == queue]), CHAIN)
            brought += 1
        stack.queues.complete([delivery for _, delivery in found])
    return brought


def run_background(stack: Stack) -> None:
    """Everything that is due now, tasks included, as the sweep finds it."""
    for _ in range(100):
        send(stack, sweep(stack), CHAIN)
        worked = run_tasks(stack)
        worked += Sweeper(stack).run()
        if not worked:
            return
    raise AssertionError("the background goes round in circles")
