"""R1, R6, R7, X3: in whatever order clients and sweepers act, and whoever dies, nothing is lost and nothing leaks."""

from __future__ import annotations

import random

import pytest

from chalicelib.ports.stack import Stack
from tests.stacks import FrozenClock

from .schedules import SCENARIOS, Schedules
from .turns import Turns, Worker, scripted, uniform

COMMIT = "table.transact INTENT MANIFEST TAG HOLD HISTORY OUTBOX"
COMMIT_AGAIN = "table.transact MANIFEST TAG HOLD HISTORY OUTBOX"

# Two in every run, eight more as a campaign, and forty more where everything is tried.
SEEDS = [
    pytest.param(range(2), id="some"),
    pytest.param(range(1000, 1008), id="more", marks=pytest.mark.campaign),
    pytest.param(range(1008, 1048), id="many", marks=pytest.mark.exhaustive),
]
# Each once lost or leaked something; written down so that it is tried every time.
WRITTEN = {
    "a push commits while a person's deletion looks for its manifest": (
        "a blob is named and deleted at once",
        [("push", COMMIT), ("person", "table.get INTENT"), ("push", ""), ("person", "")],
    ),
    "a manifest is deleted and loses its blob while it is pushed again": (
        "a blob deleted beneath a deletion",
        [("push", COMMIT_AGAIN), ("delete", ""), ("person", ""), ("push", "")],
    ),
}


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_order_of_calls_loses_or_leaks_anything(
    scenario: str, seeds: range, stack: Stack, clock: FrozenClock
) -> None:
    """Every scenario each time. What an order once lost is among those written down, which are tried in every run."""
    schedules = Schedules(stack, clock)
    wrong = {seed: found for seed in seeds if (found := schedules.run(scenario, seed))}
    assert wrong == {}


@pytest.mark.parametrize("name", WRITTEN)
def test_an_order_that_once_lost_something_loses_nothing(name: str, stack: Stack, clock: FrozenClock) -> None:
    scenario, script = WRITTEN[name]
    assert Schedules(stack, clock).follow(scenario, script) == []


def test_a_seed_gives_the_same_order_every_time(stack: Stack, clock: FrozenClock) -> None:
    schedules = Schedules(stack, clock)
    traces = []
    for _ in range(2):
        schedules.run("one manifest pushed twice", 3)
        traces.append(schedules.trace)
    assert traces[0] == traces[1]


def test_one_operation_goes_at_a_time_and_a_script_is_followed() -> None:
    running: list[str] = []

    def task(worker: Worker) -> None:
        for step in range(3):
            worker.call(f"step {step}", running.append, f"{worker.name}{step}")

    workers = {name: Worker(name) for name in "ab"}
    tasks = {worker: (lambda worker=worker: task(worker)) for worker in workers.values()}
    Turns().run(tasks, scripted([("a", "step 1 a1"), ("b", 2), ("a", ""), ("b", "")]))
    assert running == ["a0", "b0", "a1", "a2", "b1", "b2"]


def test_an_operation_that_raises_is_told_of() -> None:
    turns = Turns()
    worker = Worker("clumsy")
    turns.run({worker: lambda: 1 // 0}, uniform(random.Random(1), 0.5))
    assert "ZeroDivisionError" in turns.unexpected[0]
