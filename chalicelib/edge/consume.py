"""How a queue's batch becomes calls of rooms.

    body on the queue   {"type": "ClearDue", "id": …, fields of the message}
    a batch             each record is read, handled, and its follow-ups sent; those that failed are answered as
                        `batchItemFailures`, so that the queue delivers them, and them alone, again

A handler takes (stack, message) and answers follow-up messages. Follow-ups are sent before the record counts as done,
so a crash in between repeats work and loses none.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.messages import Message
from chalicelib.kernel.origin import following
from chalicelib.ports.stack import Stack

from .log import logger
from .metrics import count
from .tracing import traced

Handler = Callable[[Stack, Any], Sequence[Message]]
Chain = Mapping[type[Message], tuple[Handler, ...]]


def encode(message: Message) -> str:
    """The body under which a message travels."""
    return json.dumps({"type": type(message).__name__, **message.model_dump(mode="json")}, separators=(",", ":"))


def decode(body: str, classes: Iterable[type[Message]]) -> Message:
    """The message in a body, as one of `classes`. A body without a type is of the only class there is.

    Raises Invalid if it is none of them.
    """
    by_name = {known.__name__: known for known in classes}
    try:
        fields = json.loads(body)
        only = next(iter(by_name)) if len(by_name) == 1 else ""
        return by_name[fields.get("type", only)].model_validate(fields)
    except (ValueError, AttributeError, KeyError, ValidationError) as error:
        raise Invalid("body", f"not a message that is consumed here: {type(error).__name__}") from error


def send(stack: Stack, messages: Iterable[Message], chain: Chain) -> None:
    """Puts messages on their queues; those without one are handled here. What nobody handles is not sent."""
    bodies: dict[str, list[str]] = defaultdict(list)
    for message in messages:
        if not message.queue:
            handle(stack, message, chain)
        elif chain.get(type(message)):
            bodies[message.queue].append(encode(message))
    for queue, texts in bodies.items():
        stack.queues.send(queue, texts)


def handle(stack: Stack, message: Message, chain: Chain) -> None:
    """Calls the message's handlers in order and sends what follows. All of it follows from the message's request."""
    kind, began = type(message).__name__, time.perf_counter()
    with following(message.origin, message.id), traced(kind):
        try:
            for handler in chain.get(type(message), ()):
                send(stack, handler(stack, message), chain)
        except Exception:
            count("messages", kind=kind, result="failed")
            raise
        count("messages", kind=kind, result="handled")
        if stack.settings.logs_requests:
            duration_ms = round((time.perf_counter() - began) * 1000, 1)
            logger.info("message handled", kind=kind, caused_by=message.caused_by, duration_ms=duration_ms)


def consume(stack: Stack, event: Mapping[str, Any], context: Any, chain: Chain, queue: str) -> dict[str, Any]:
    """One batch of an SQS-shaped event; answers `{"batchItemFailures": [{"itemIdentifier": message id}, …]}`."""
    # Takes longer to import than all of what handlers need otherwise, and only queues have batches.
    from .batches import work_off

    classes = [known for known in chain if known.queue == queue]
    return work_off(event, context, lambda body: handle(stack, decode(body, classes), chain))
