"""Minutes of everything at once: pushes, pulls, deletions and collection, at a rate that does not wait for answers.

The service is started as its users do, in processes of its own; the load comes from this one. All clocks of the
service are short, so that content dies, is collected and comes back while it is pushed and pulled.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvloop

from chalicelib.collection.service import Fsck
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import open_stack
from tests.serving import Service

from .access import Access
from .deeds import Deeds
from .lanes import Lanes
from .pace import Figures, Pace
from .watch import Trend, Watch, cpu_s, trends, waiting
from .world import World

RATE: Final = 250.0
STANDING: Final = 130
CONNECTIONS: Final = 64
# A deed takes a second; what it relies on may die after so many.
SHORT_LIVES: Final = {
    "CRS_GRACE_S": "20",
    "CRS_TOMBSTONE_S": "2",
    "CRS_UPLOAD_TTL_S": "60",
    "CRS_INTENT_TTL_S": "30",
    "CRS_SWEEP_INTERVAL_S": "1",
}
# Until what is deleted at the end is dead, collected and erased: a lease, the grace period, the tombstone, some sweeps.
SETTLED_AFTER_S: Final = 90.0
# Of the time, at most, until as much dies as is pushed.
_LONGEST_WARM_UP_S: Final = 300.0
_LAST_LOOKS: Final = 60
# Not in step with the sweeps.
_LOOK_AGAIN_S: Final = 0.37
# A shorter run cannot tell growth from warming up.
GROWTH_SHOWS_AFTER_MINUTES: Final = 10.0
# Less of the rate than this, and the run says that it was not kept.
_KEPT: Final = 0.99


@dataclass
class Outcome:
    """What a run found. faults: promises that were broken; empty for a good run."""

    minutes: float
    asked_rate: float
    seed: int
    figures: Figures
    watch: Watch
    trends: list[Trend]
    service_cpu_s: float
    client_cpu_s: float
    renewed: int
    pulled_at_end: int = 0
    faults: list[str] = field(default_factory=list)


class Soak:
    """One run on an empty folder. settle_s: how long to wait at the end before the folder is looked through."""

    def __init__(self, folder: Path, port: int, seed: int, *, settle_s: float = SETTLED_AFTER_S) -> None:
        self._service = Service(folder / "data", port, environment=SHORT_LIVES)
        self._dice = random.Random(seed)
        self._seed = seed
        self._settle_s = settle_s
        self._world = World(self._dice)

    @property
    def service(self) -> Service:
        return self._service

    def run(self, minutes: float, rate: float = RATE) -> Outcome:
        """Never raises for what the service does wrong: that stands in `faults`."""
        with _running(self._service):
            outcome = uvloop.run(self._load(minutes, rate))
            time.sleep(self._settle_s)
            outcome.faults += self._left_over()
        with open_stack(Settings(data=self._service.data)) as stack:
            found = list(Fsck(stack, deep=True).run())
        outcome.faults += [f"crs fsck --deep: {finding}" for finding in found[:20]]
        outcome.faults += self._logged()
        return outcome

    async def _load(self, minutes: float, rate: float) -> Outcome:
        assert self._service.process is not None
        pid = self._service.process.pid
        access = Access(self._service.port, *self._service.login)
        deeds = Deeds(self._world, access, self._dice, STANDING)
        lanes = Lanes(self._service.port, CONNECTIONS)
        await lanes.open()
        pace = Pace(lanes, deeds.next, self._dice)
        await pace.all_of([("arrive", deeds.arrive())])
        await pace.all_of(deeds.fill())
        pace.figures = Figures(faults=pace.figures.faults)
        watch = Watch(pid, self._service.data)
        watch.start()
        service_before, client_before = cpu_s(pid), time.process_time()
        await pace.run(rate, minutes * 60)
        service_s, client_s = cpu_s(pid) - service_before, time.process_time() - client_before
        watch.end()
        outcome = Outcome(minutes, rate, self._seed, pace.figures, watch, [], service_s, client_s, access.renewed)
        outcome.trends = trends(watch.looks, min(_LONGEST_WARM_UP_S, minutes * 60 / 3))
        pace.figures = Figures()
        last_pulls = deeds.check()
        await pace.all_of(last_pulls)
        lanes.close()
        outcome.pulled_at_end = len(last_pulls)
        outcome.faults = [*outcome.figures.faults, *pace.figures.faults, *_shortfalls(outcome)]
        return outcome

    def _left_over(self) -> list[str]:
        """Messages that nobody takes. A sweep may be sending some just as we look, so there are several looks."""
        for _ in range(_LAST_LOOKS):
            messages = waiting(self._service.data)
            if not messages:
                return []
            time.sleep(_LOOK_AGAIN_S)
        return [f"{count} messages are left in {queue}" for queue, count in messages.items()]

    def _logged(self) -> list[str]:
        lines = self._service.log.read_text(errors="replace").splitlines()
        failed = [line for line in lines if '"level":"ERROR"' in line or "Traceback" in line]
        return [f"the log tells of {len(failed)} failures, first: {failed[0][:1000]}"] if failed else []


def _shortfalls(outcome: Outcome) -> list[str]:
    """What was kept too slowly, or grew. A short run says nothing of growth."""
    wrong = []
    if outcome.figures.rate < outcome.asked_rate * _KEPT:
        wrong.append(f"{outcome.figures.rate:.1f} requests a second were answered, not {outcome.asked_rate:.0f}")
    if outcome.minutes >= GROWTH_SHOWS_AFTER_MINUTES:
        grown = [trend for trend in outcome.trends if not trend.flat]
        wrong += [f"{trend.name} grew from {trend.first:,.0f} to {trend.last:,.0f}" for trend in grown]
    return wrong


@contextmanager
def _running(service: Service) -> Iterator[None]:
    service.start()
    try:
        yield
    finally:
        service.stop()
