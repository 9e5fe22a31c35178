"""Queues: at least once, in no promised order, with visibility, backoff and dead letters. SQS's model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as received. `attempt` counts from 1; `receipt` stands for this delivery alone; `sent_at` is when
    the message was sent first, and stays that in the dead letters."""

    id: str
    queue: str
    body: str
    attempt: int
    receipt: str
    sent_at: datetime


class Queues(Protocol):
    """Any method may raise `Unavailable`. Queue names: `events`, `collection` …; `<name>-dead` holds dead letters."""

    def send(self, queue: str, bodies: Sequence[str], *, delay_s: int = 0) -> None:
        """Durable when it returns. Bodies of at most 256 KiB; delay of at most 900 s."""
        ...

    def receive(self, queue: str, *, most: int = 10, visibility_s: int = 60, wait_s: float = 0) -> list[Delivery]:
        """At most `most` (1–10) messages, hidden from others for `visibility_s`. Waits up to `wait_s` for the first."""
        ...

    def extend(self, delivery: Delivery, visibility_s: int) -> None:
        """Keeps the message hidden this much longer, from now."""
        ...

    def complete(self, deliveries: Sequence[Delivery]) -> None:
        """Done: they are not delivered again. A delivery whose visibility ran out may be completed all the same."""
        ...

    def fail(self, delivery: Delivery, *, delay_s: int) -> None:
        """Back to the queue after the delay; after the fifth attempt to `<queue>-dead` instead, where a message is kept
        until 14 days after it was sent."""
        ...

    def depth(self, queue: str) -> int:
        """How many messages it has, those included that are hidden. An estimate where many processes write."""
        ...
