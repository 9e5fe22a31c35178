"""What stands in for Lambda's event sources: they bring app.py's handlers the events that AWS would bring.

    EventPump      push objects noted in the spool          → `aws.s3` `Object Created`, one event each
    QueuePump      messages of one queue                    → an SQS batch; `batchItemFailures` are honoured
    SchedulePump   a rate                                   → a scheduled event

Each `step` does what is there to be done and answers how many seconds may pass before the next. Nothing is
acknowledged before its handler has returned, so what a crash interrupts comes again.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from chalicelib.edge.log import logger
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import Clock, to_text
from chalicelib.ports.embedded.spool import Spool, Spooled
from chalicelib.ports.queues import Delivery, Queues

# How long a push or a message waits at most before it is looked at. One look costs about 30 µs of CPU.
IDLE_S: Final = 0.25
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0
# Lambda asks for a visibility of at least the function's timeout.
VISIBILITY_S: Final = 120

EVENTS_A_STEP: Final = 100
# As often as a queue delivers a message before it is a dead letter.
MOST_ATTEMPTS: Final = 5

LambdaHandler = Callable[[dict[str, Any], Any], Any]


class Pump(Protocol):
    name: str

    def step(self) -> float:
        """Seconds until the next step; 0: at once. What it raises is logged, and the step repeated later."""
        ...


@dataclass(frozen=True)
class Context:
    """Lambda's context object, as far as handlers and Powertools read it."""

    function_name: str
    aws_request_id: str = field(default_factory=new_id)
    memory_limit_in_mb: int = 512
    function_version: str = "$LATEST"
    tenant_id: str | None = None

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:local:000000000000:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return VISIBILITY_S * 1000


@dataclass
class EventPump:
    """An event whose handler keeps failing holds up no other, and is given up: the outbox's sweeper knows it too."""

    name: str
    handler: LambdaHandler
    spool: Spool
    clock: Clock
    failures: Counter[Path] = field(default_factory=Counter)

    def step(self) -> float:
        taken = self.spool.take(EVENTS_A_STEP)
        failed = [created for created in taken if not self._brought(created)]
        if failed:
            return FIRST_RETRY_S
        return 0 if taken else IDLE_S

    def _brought(self, created: Spooled) -> bool:
        try:
            self.handler(self._event(created), Context(self.name))
        except Exception:
            self.failures[created.path] += 1
            logger.exception("failed to bring event", key=created.key, attempt=self.failures[created.path])
            if self.failures[created.path] < MOST_ATTEMPTS:
                return False
        self.spool.done(created.path)
        self.failures.pop(created.path, None)
        return True

    def _event(self, created: Spooled) -> dict[str, Any]:
        return {
            **_envelope("aws.s3", "Object Created", self.clock),
            "resources": [f"arn:aws:s3:::{created.bucket}"],
            "detail": {"bucket": {"name": created.bucket}, "object": {"key": created.key}},
        }


@dataclass
class QueuePump:
    name: str
    handler: LambdaHandler
    queues: Queues
    queue: str
    batch_size: int

    def step(self) -> float:
        deliveries = self.queues.receive(self.queue, most=self.batch_size, visibility_s=VISIBILITY_S)
        if not deliveries:
            return IDLE_S
        answer = self.handler({"Records": [self._record(one) for one in deliveries]}, Context(self.name)) or {}
        failed = {failure["itemIdentifier"] for failure in answer.get("batchItemFailures", ())}
        self.queues.complete([one for one in deliveries if one.id not in failed])
        for one in deliveries:
            if one.id in failed:
                self.queues.fail(one, delay_s=min(2**one.attempt, 300))
        return 0

    def _record(self, delivery: Delivery) -> dict[str, Any]:
        return {
            "messageId": delivery.id,
            "receiptHandle": delivery.receipt,
            "body": delivery.body,
            "attributes": {"ApproximateReceiveCount": str(delivery.attempt)},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:local:000000000000:{self.queue}",
            "awsRegion": "local",
        }


@dataclass
class SchedulePump:
    name: str
    handler: LambdaHandler
    every_s: float
    clock: Clock

    def step(self) -> float:
        started = time.monotonic()
        event = {**_envelope("aws.events", "Scheduled Event", self.clock), "resources": [], "detail": {}}
        self.handler(event, Context(self.name))
        return max(self.every_s - (time.monotonic() - started), 0)


def _envelope(source: str, detail_type: str, clock: Clock) -> dict[str, Any]:
    return {
        "version": "0",
        "id": new_id(),
        "source": source,
        "detail-type": detail_type,
        "account": "000000000000",
        "region": "local",
        "time": to_text(clock.now()),
    }


class Pumping(threading.Thread):
    """Steps one pump until told to end. A failing step is repeated, later each time."""

    def __init__(self, pump: Pump, ending: threading.Event) -> None:
        super().__init__(name=pump.name, daemon=True)
        self._pump = pump
        self._ending = ending

    def run(self) -> None:
        pause_s, retry_s = 0.0, FIRST_RETRY_S
        while not self._ending.wait(pause_s):
            try:
                pause_s = self._pump.step()
                retry_s = FIRST_RETRY_S
            except Exception:
                logger.exception("failed to pump", pump=self._pump.name, retry_in_s=retry_s)
                pause_s, retry_s = retry_s, min(2 * retry_s, LONGEST_RETRY_S)
