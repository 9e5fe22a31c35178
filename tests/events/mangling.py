"""A world in which nothing arrives as it was sent: one event, message or schedule in five gets lost, the others come
three times, late, and in any order. Events that arrive at once are handled by turns, one handler each.

    mangled = Mangled(stack, clock, seed)      mangled.stack is what clients and handlers use
    mangled.rest(…)                            time passes until nothing is under way
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from chalicelib.chain import CHAIN
from chalicelib.collection.handlers import sweep
from chalicelib.edge.consume import decode, handle, send
from chalicelib.notifications.handlers import announce
from chalicelib.notifications.store import DUE_KIND
from chalicelib.ports import keys, paths
from chalicelib.ports.objects import Objects
from chalicelib.ports.queues import Delivery, Queues
from chalicelib.ports.stack import Stack
from chalicelib.registry import handlers
from chalicelib.retention.handlers import fire_schedules
from tests.stacks import FrozenClock

LOST: Final = 0.2
COPIES: Final = 3
# Longer than any sweeper waits before it repeats something.
ROUND_S: Final = 61
MOST_ROUNDS: Final = 80
QUEUES: Final = tuple(sorted({message.queue for message in CHAIN if message.queue}))
SCHEDULES: Final[Sequence[Callable[[Stack], None]]] = (
    lambda stack: send(stack, sweep(stack), CHAIN),
    lambda stack: send(stack, announce(stack), CHAIN),
    fire_schedules,
)


class Mangled:
    def __init__(self, stack: Stack, clock: FrozenClock, seed: int) -> None:
        self.rng = random.Random(seed)
        self._clock = clock
        self._events: list[tuple[str, str]] = []
        self.lost = 0

        def objects(bucket: str) -> Objects:
            return cast(Objects, _Telling(stack.objects(bucket), bucket, self._events))

        queues = cast(Queues, _MangledQueues(stack.queues, self))
        self.stack = replace(stack, objects=objects, queues=queues)

    def copies(self) -> int:
        """How often something arrives."""
        lost = self.rng.random() < LOST
        self.lost += lost
        return 0 if lost else COPIES

    def rest(self, least_rounds: int) -> None:
        """Rounds of all that runs by itself, a minute each, until nothing is left to do."""
        for done in range(MOST_ROUNDS):
            self._round()
            if done >= least_rounds and self._at_rest():
                return
            self._clock.advance(ROUND_S)
        raise AssertionError("the background never comes to rest")

    def _round(self) -> None:
        schedules = [schedule for schedule in SCHEDULES for _ in range(self.copies())]
        self.rng.shuffle(schedules)
        for schedule in schedules:
            schedule(self.stack)
        while self._bring_events() + self._bring_messages():
            pass

    def _bring_events(self) -> int:
        arriving = [event for event in self._events for _ in range(self.copies())]
        self._events.clear()
        flights = [self._flight(bucket, key) for bucket, key in arriving]
        while flights:
            flight = self.rng.choice(flights)
            if next(flight, None) is None:
                flights.remove(flight)
        return len(arriving)

    def _flight(self, bucket: str, key: str) -> Iterator[bool]:
        """As `app.object_created` does it, a handler at a time."""
        for message in handlers.object_created(self.stack, bucket, key):
            yield True
            for handler in CHAIN[type(message)]:
                send(self.stack, handler(self.stack, message), CHAIN)
                yield True

    def _bring_messages(self) -> int:
        brought = 0
        for queue in self.rng.sample(QUEUES, len(QUEUES)):
            known = [message for message in CHAIN if message.queue == queue]
            for delivery in self.stack.queues.receive(queue):
                handle(self.stack, decode(delivery.body, known), CHAIN)
                self.stack.queues.complete([delivery])
                brought += 1
        return brought

    def _at_rest(self) -> bool:
        if self._events or any(self.stack.queues.depth(queue) for queue in QUEUES):
            return False
        table = self.stack.table
        due = [(shard, "i1") for kind in ("outbox", "task", DUE_KIND) for shard in keys.due_partitions(kind)]
        waiting = [*due, *((shard, "i2") for shard in keys.untold_partitions())]
        return not any(table.query(shard, index=index, limit=1).items for shard, index in waiting)  # type: ignore[arg-type]


class _Telling:
    """A bucket that tells of the objects that mean a push."""

    def __init__(self, objects: Objects, bucket: str, events: list[tuple[str, str]]) -> None:
        self._objects = objects
        self._bucket = bucket
        self._events = events

    def put(self, key: str, data: bytes, **more: Any) -> None:
        self._objects.put(key, data, **more)
        if paths.is_push(key):
            self._events.append((self._bucket, key))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)


class _MangledQueues:
    def __init__(self, queues: Queues, mangled: Mangled) -> None:
        self._queues = queues
        self._mangled = mangled

    def send(self, queue: str, bodies: Sequence[str], *, delay_s: int = 0) -> None:
        sent = [body for body in bodies for _ in range(self._mangled.copies())]
        self._mangled.rng.shuffle(sent)
        self._queues.send(queue, sent, delay_s=delay_s)

    def receive(self, queue: str) -> list[Delivery]:
        deliveries = self._queues.receive(queue, most=self._mangled.rng.randint(1, 10), visibility_s=60)
        self._mangled.rng.shuffle(deliveries)
        return deliveries

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queues, name)
