"""Operations that take turns: one call of a port each, in an order that a seed or a script decides.

Every operation runs in a thread of its own, and no two ever run at once: before each call of a table, an object store
or a queue an operation parks, and goes on when it is chosen. The same choices therefore give the same run.

    operation a   ── get ┆          ┆ put ── …          ┆ parked
    operation b          ┆ query ── ┆        † crashed: every later call of it fails too, so that no clean-up runs
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from chalicelib.ports.table import Key

from .ports import Fault, Faults

# Many times what any schedule needs: beyond it, something goes round in circles.
LIMIT = 1500


class Crashed(BaseException):
    """The process that ran the operation is gone. No code under test may answer after it."""


def _die(call: str = "") -> None:
    raise Crashed(call)


CRASH_BEFORE = Fault(before=_die)
CRASH_AFTER = Fault(after=_die)


class Worker(Faults):
    """One operation's calls. After a crash each further call of it, and only of it, fails as well."""

    def __init__(self, name: str = "alone", plan: Mapping[int, Fault] | None = None) -> None:
        super().__init__(plan)
        self.name = name
        self.dead = False
        self.ended = False
        self.waits_for = "begin"
        self._turns: Turns | None = None
        self._go = threading.Semaphore(0)

    def call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self.dead:
            raise Crashed(name)
        self.waits_for = f"{name} {_subject(args[0] if args else '')}".rstrip()
        if self._turns is not None:
            self._turns.park(self)
        try:
            return super().call(name, function, *args, **kwargs)
        except Crashed:
            self.dead = True
            raise

    def work(self, turns: Turns, task: Callable[[], object]) -> threading.Thread:
        self._turns = turns
        thread = threading.Thread(target=self._run, args=(turns, task), name=self.name, daemon=True)
        thread.start()
        return thread

    def _run(self, turns: Turns, task: Callable[[], object]) -> None:
        self._go.acquire()
        try:
            task()
        except Crashed:
            self.dead = True
        except BaseException as unexpected:
            turns.unexpected.append(f"{self.name}: {unexpected!r} at {self.waits_for}")
        finally:
            self.ended = True
            turns.parked.release()

    def go(self) -> None:
        self._go.release()

    def wait(self) -> None:
        self._go.acquire()


class Choice(Protocol):
    def __call__(self, able: Sequence[Worker], step: int) -> Worker: ...


class Turns:
    """Runs tasks to their ends. `step` counts turns; `trace` has (operation, call) of each."""

    def __init__(self) -> None:
        self.step = 0
        self.trace: list[tuple[str, str]] = []
        self.unexpected: list[str] = []
        self.parked = threading.Semaphore(0)

    def park(self, worker: Worker) -> None:
        self.parked.release()
        worker.wait()

    def run(self, tasks: Mapping[Worker, Callable[[], object]], choose: Choice) -> None:
        threads = [worker.work(self, task) for worker, task in tasks.items()]
        while able := [worker for worker in tasks if not worker.ended]:
            chosen = choose(able, self.step)
            self.step += 1
            self.trace.append((chosen.name, chosen.waits_for))
            if self.step > LIMIT:
                raise AssertionError(f"{self.step} turns and no end: {self.trace[-9:]}")
            chosen.go()
            if not self.parked.acquire(timeout=60):
                raise AssertionError(f"{chosen.name} hangs in {chosen.waits_for}")
        for thread in threads:
            thread.join(60)


def uniform(rng: random.Random, staying: float) -> Choice:
    """Anybody; with the probability `staying`, whoever went last goes on."""
    last: list[Worker] = []

    def choose(able: Sequence[Worker], step: int) -> Worker:
        if last and last[0] in able and rng.random() < staying:
            return last[0]
        last[:] = [rng.choice(able)]
        return last[0]

    return choose


def ranked(rng: random.Random, changes: int, length: int) -> Choice:
    """Whoever ranks highest, all the time; at some random steps whoever would go falls to the lowest rank.

    Finds what needs few but exact switches. Source: probabilistic concurrency testing, Burckhardt et al. 2010.
    """
    falls = set(rng.sample(range(length), changes))
    ranks: dict[str, float] = {}

    def choose(able: Sequence[Worker], step: int) -> Worker:
        for worker in able:
            ranks.setdefault(worker.name, rng.random())
        best = max(able, key=lambda worker: ranks[worker.name])
        if step in falls:
            ranks[best.name] = -float(step)
            best = max(able, key=lambda worker: ranks[worker.name])
        return best

    return choose


def scripted(script: Sequence[tuple[str, str | int]]) -> Choice:
    """(operation, until): it goes on until it waits for that call, or for so many turns; "" is to its end. Whoever is
    left after the script goes on in turn to its end."""
    left = list(script)
    taken = [0]

    def choose(able: Sequence[Worker], step: int) -> Worker:
        while left:
            name, until = left[0]
            worker = next((worker for worker in able if worker.name == name), None)
            there = until == taken[0] or (worker is not None and worker.waits_for == until)
            reached = until and taken[0] > 0 and there
            if worker is not None and not reached:
                taken[0] += 1
                return worker
            left.pop(0)
            taken[0] = 0
        return able[0]

    return choose


def asleep(sleeper: str, after: int, others: Choice) -> Choice:
    """The sleeper stops after so many turns and goes on when everybody else has ended."""
    taken = [0]

    def choose(able: Sequence[Worker], step: int) -> Worker:
        awake = [worker for worker in able if worker.name != sleeper or taken[0] < after]
        chosen = others(awake or able, step)
        taken[0] += chosen.name == sleeper
        return chosen

    return choose


def _subject(argument: Any) -> str:
    """What a call is about, for traces and scripts: the kinds of the rows it touches."""
    if isinstance(argument, str):
        return argument.split("#")[0].split("/")[1] if "/" in argument else argument.split("#")[0]
    if isinstance(argument, Key):
        return argument.sk.split("#")[0]
    if isinstance(argument, Mapping):
        return str(argument["sk"]).split("#")[0]
    if isinstance(argument, Sequence):
        return " ".join(dict.fromkeys(_subject(one) for one in argument))
    return _subject(argument.key) if hasattr(argument, "key") else ""
