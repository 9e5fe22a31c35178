"""What can go wrong at one call of an operation, or around it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from chalicelib.kernel.paging import Page
from chalicelib.ports.queues import Queues
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, OutcomeUnknown, Table

from ..ports import FAIL_AFTER, FAIL_BEFORE, FAIL_UNSAID, TABLE_WRITES, Fault, hook_before
from ..turns import CRASH_AFTER

WRITES: Final = frozenset(
    [
        "put",
        "put_many",
        "update",
        "delete",
        "transact",
        "complete",
        "begin",
        "part",
        "abort",
        "copy",
        "send",
        "receive",
        "fail",
        "extend",
    ]
)
# Beyond the life of a push's intent, and of an upload's lease.
NAP_S: Final = 35 * 60
LONG_NAP_S: Final = 25 * 3600
# A sweep asks about forty questions.
STALE_ANSWERS: Final = 100
# The three that every call meets in turn.
AT_EVERY_CALL: Final = ("before", "after", "killed")


@dataclass
class Doing:
    """What kinds may make happen in the middle of an operation.

    sparse      a manifest that is pushed too late is taken without its blobs
    as_it_was   the table before it began
    """

    calls: Sequence[str]
    sparse: bool
    as_it_was: Table
    pass_time: Callable[[float], None]
    others_work: Callable[[], None]
    twin: Callable[[], None]


@dataclass
class Injection:
    """
    plan     call → fault, of the operation as it is asked first
    again    the same of what follows: the second time it is asked, or the background
    wrap     ports beneath the faults
    mangled  a seed by which events and messages get lost and doubled
    polite   nothing else happens meanwhile, so that a refusal would be a fault
    """

    plan: dict[int, Fault] = field(default_factory=dict)
    again: dict[int, Fault] = field(default_factory=dict)
    wrap: Callable[[Stack], Stack] = lambda stack: stack
    mangled: int | None = None
    polite: bool = True


Kind = Callable[[Doing, int, random.Random], Injection]


def is_write(call: str) -> bool:
    return call.split(".")[1] in WRITES


def _simple(rng: random.Random) -> Fault:
    return rng.choice((FAIL_BEFORE, FAIL_AFTER, CRASH_AFTER))


def _throttled(doing: Doing, call: int, rng: random.Random) -> Injection:
    return Injection(dict.fromkeys(range(call, call + rng.randint(2, 6)), FAIL_BEFORE))


def _conflict(doing: Doing, call: int, rng: random.Random) -> Injection:
    """Others write the same rows: this transaction and the next ones are refused, with no effect."""
    later = [number for number, name in enumerate(doing.calls, 1) if number >= call and name == "table.transact"]
    return Injection(dict.fromkeys(later[: rng.randint(1, 3)], FAIL_BEFORE))


def _frozen(doing: Doing, call: int, rng: random.Random) -> Injection:
    """The process stands still past its deadlines, everybody else goes on, and then it does."""
    nap_s = NAP_S if doing.sparse else rng.choice((NAP_S, LONG_NAP_S))

    def stand_still() -> None:
        doing.pass_time(nap_s)
        doing.others_work()

    return Injection({call: hook_before(stand_still)}, polite=False)


def _pair(doing: Doing, call: int, rng: random.Random) -> Injection:
    second = call + rng.randint(1, 12)
    return Injection({call: rng.choice((FAIL_BEFORE, FAIL_AFTER)), second: _simple(rng)})


def _relapse(doing: Doing, call: int, rng: random.Random) -> Injection:
    return Injection({call: _simple(rng)}, {rng.randint(1, len(doing.calls) + 10): _simple(rng)})


def _twin(doing: Doing, call: int, rng: random.Random) -> Injection:
    """The same is asked once more, whole, while it is under way."""
    return Injection({call: hook_before(doing.twin)}, polite=False)


def _stale(doing: Doing, call: int, rng: random.Random) -> Injection:
    """Indexes show for a while what they showed when it began."""

    def wrap(stack: Stack) -> Stack:
        return replace(stack, table=cast(Table, _StaleIndexes(stack.table, doing.as_it_was)))

    return Injection({call: _simple(rng)}, wrap=wrap)


def _torn(doing: Doing, call: int, rng: random.Random) -> Injection:
    """Of many rows some are written, and then the answer is that it failed."""
    share = rng.random()
    return Injection(wrap=lambda stack: replace(stack, table=cast(Table, _TornPuts(stack.table, share))))


def _messages(doing: Doing, call: int, rng: random.Random) -> Injection:
    seed = rng.randrange(2**32)

    def wrap(stack: Stack) -> Stack:
        return replace(stack, queues=cast(Queues, _LossyQueues(stack.queues, random.Random(seed))))

    return Injection({call: _simple(rng)}, wrap=wrap, mangled=seed)


class _StaleIndexes:
    """The first questions to an index are answered by the table as it was."""

    def __init__(self, table: Table, as_it_was: Table) -> None:
        self._table = table
        self._as_it_was = as_it_was
        self._left = STALE_ANSWERS

    def query(self, pk: str, **asked: Any) -> Page[Item]:
        if asked.get("index") is None or self._left == 0:
            return self._table.query(pk, **asked)
        self._left -= 1
        return self._as_it_was.query(pk, **asked)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


class _TornPuts:
    """The first `put_many` writes a part of it."""

    def __init__(self, table: Table, share: float) -> None:
        self._table = table
        self._share = share
        self._torn = False

    def put_many(self, items: Sequence[Item], *, relaxed: bool = False) -> None:
        if self._torn or not items:
            return self._table.put_many(items, relaxed=relaxed)
        self._torn = True
        self._table.put_many(items[: int(len(items) * self._share)], relaxed=relaxed)
        raise OutcomeUnknown("injected: some of the rows were written")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


class _LossyQueues:
    """One message in five gets lost, one in five comes twice; what was received comes in another order."""

    def __init__(self, queues: Queues, rng: random.Random) -> None:
        self._queues = queues
        self._rng = rng

    def send(self, queue: str, bodies: Sequence[str], *, delay_s: int = 0) -> None:
        sent = [body for body in bodies for _ in range(self._rng.choice((0, 1, 1, 1, 2)))]
        self._rng.shuffle(sent)
        if sent:
            self._queues.send(queue, sent, delay_s=delay_s)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queues, name)


def _one(fault: Fault) -> Kind:
    return lambda doing, call, rng: Injection({call: fault})


KINDS: Final[Mapping[str, Kind]] = {
    "before": _one(FAIL_BEFORE),
    "after": _one(FAIL_AFTER),
    "killed": _one(CRASH_AFTER),
    "throttled": _throttled,
    "conflict": _conflict,
    "unsaid": _one(FAIL_UNSAID),
    "frozen": _frozen,
    "pair": _pair,
    "relapse": _relapse,
    "twin": _twin,
    "stale": _stale,
    "torn": _torn,
    "messages": _messages,
}

# Kinds that only some calls can meet.
ONLY_AT: Final[Mapping[str, Set[str]]] = {
    "conflict": frozenset({"table.transact"}),
    "unsaid": TABLE_WRITES,
    "torn": frozenset({"table.put_many"}),
}

__all__ = ["AT_EVERY_CALL", "KINDS", "ONLY_AT", "Doing", "Injection", "Kind", "is_write"]
