"""Open-loop load: a request leaves at every tick of the rate, whether or not earlier ones were answered.

    ticks        ─┬─────┬─────┬─────┬─────►   one request each, of a deed picked at random among those that wait
    deed A        HEAD ·······POST ·······PUT     between two of its requests others' go: deeds overlap, as clients do
    latency       from the tick, not from the moment a connection was free: a stalled service cannot hide

With too few deeds waiting a new one is begun, so a service that answers slowly meets more of them at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Final

from benchmarks.wire import Answer, Request

from .lanes import Lanes

# So many deeds are under way at once while the service keeps up; each sends some ten requests a second.
AT_ONCE: Final = 24
# A fault that shows everywhere need not be noted everywhere.
MOST_FAULTS: Final = 50


class Broken(AssertionError):
    """The service did not keep a promise; the message says which."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a deed; `kind` names it in the table of latencies."""

    kind: str
    request: Request


Deed = Generator[Step, Answer, None]


@dataclass
class Figures:
    """What a run saw. Latencies in seconds, by kind of request."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    deeds: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    faults: list[str] = field(default_factory=list)
    answered: int = 0
    answered_in_time: int = 0
    latest_tick_s: float = 0.0
    most_under_way: int = 0
    elapsed_s: float = 0.0

    @property
    def rate(self) -> float:
        """Requests answered a second while the rate was kept; what came to its end afterwards does not count."""
        return self.answered_in_time / self.elapsed_s if self.elapsed_s else 0.0


class Pace:
    """`next_deed` gives the name of a deed and its requests; None where there is nothing to do just now."""

    def __init__(self, lanes: Lanes, next_deed: Callable[[], tuple[str, Deed] | None], dice: random.Random) -> None:
        self.figures = Figures()
        self._lanes = lanes
        self._next_deed = next_deed
        self._dice = dice
        self._waiting: list[tuple[Deed, Step]] = []
        self._under_way = 0
        self._idle = asyncio.Event()

    async def run(self, rate: float, seconds: float) -> None:
        """Keeps the rate for so long, then lets what was begun come to its end. Stops early after too many faults."""
        begun = time.perf_counter()
        ticks = int(rate * seconds)
        for tick in range(ticks):
            due = begun + tick / rate
            wait_s = due - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            self._tick(due)
            if len(self.figures.faults) >= MOST_FAULTS:
                break
        self.figures.elapsed_s = time.perf_counter() - begun
        self.figures.answered_in_time = self.figures.answered
        await self.drain()

    async def drain(self) -> None:
        """Until every deed that was begun has ended; none is begun."""
        while self._waiting or self._under_way:
            while self._waiting:
                self._send(*self._waiting.pop(), time.perf_counter())
            self._idle.clear()
            if self._under_way:
                await self._idle.wait()

    async def all_of(self, deeds: list[tuple[str, Deed]]) -> None:
        """Each of these, a few at a time, as fast as they go."""
        for first in range(0, len(deeds), AT_ONCE):
            for name, deed in deeds[first : first + AT_ONCE]:
                self._begin(name, deed)
            await self.drain()

    def _tick(self, due: float) -> None:
        self.figures.latest_tick_s = max(self.figures.latest_tick_s, time.perf_counter() - due)
        if not self._waiting or len(self._waiting) + self._under_way < AT_ONCE:
            fresh = self._next_deed()
            if fresh is not None:
                self._begin(*fresh)
        if self._waiting:
            chosen = self._dice.randrange(len(self._waiting))
            self._waiting[chosen], self._waiting[-1] = self._waiting[-1], self._waiting[chosen]
            self._send(*self._waiting.pop(), due)
            self.figures.most_under_way = max(self.figures.most_under_way, self._under_way)

    def _begin(self, name: str, deed: Deed) -> None:
        self.figures.deeds[name] += 1
        self._go_on(deed, None)

    def _send(self, deed: Deed, step: Step, due: float) -> None:
        self._under_way += 1

        def answered(answer: Answer) -> None:
            self._under_way -= 1
            self.figures.answered += 1
            self.figures.latencies[step.kind].append(time.perf_counter() - due)
            self._go_on(deed, answer)
            self._idle.set()

        self._lanes.send(step.request, answered)

    def _go_on(self, deed: Deed, answer: Answer | None) -> None:
        try:
            step = next(deed) if answer is None else deed.send(answer)
        except StopIteration:
            return
        except Broken as broken:
            self.figures.faults.append(str(broken))
            return
        self._waiting.append((deed, step))
