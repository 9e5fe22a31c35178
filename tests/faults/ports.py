"""Ports that fail on purpose: every call is numbered; a chosen one fails before or after its effect, or calls a hook.

    faults = Faults({7: FAIL_AFTER})
    stack = faulty(stack, faults)      # an operation of it meets a lost answer at its seventh call
    faults.calls                       # what was called, in order: ["table.get", "objects.put", …]

A hook may kill the process, or let another thread take its turn. Run an operation once without faults to learn how
many calls it makes, then once per call and kind of fault.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, cast

from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.paging import Page
from chalicelib.ports.objects import Objects
from chalicelib.ports.queues import Queues
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, OutcomeUnknown, Table

# Neither reads a disk nor crosses a network, so neither fails; `epoch` is also asked at every remembered read.
_NOT_COUNTED: Final = frozenset({"epoch", "close", "presign"})
TABLE_WRITES: Final = frozenset({"table.put", "table.put_many", "table.update", "table.delete", "table.transact"})


@dataclass(frozen=True)
class Fault:
    """What happens around one call; either may raise. `after` is told the call's name."""

    before: Callable[[], None] = lambda: None
    after: Callable[[str], None] = lambda call: None


def _refuse() -> None:
    raise Unavailable("injected: the call had no effect")


def _lose_answer(call: str) -> None:
    if call in TABLE_WRITES:
        raise OutcomeUnknown("injected: the call took effect, its answer was lost")
    raise Unavailable("injected: the call took effect, its answer was lost")


def _never_said() -> None:
    raise OutcomeUnknown("injected: the call had no effect, and nobody said so")


FAIL_BEFORE: Final = Fault(before=_refuse)
FAIL_AFTER: Final = Fault(after=_lose_answer)
# For writes of a table: whoever made it has to look.
FAIL_UNSAID: Final = Fault(before=_never_said)


def hook_before(hook: Callable[[], None]) -> Fault:
    return Fault(before=hook)


def hook_after(hook: Callable[[], None]) -> Fault:
    return Fault(after=lambda call: hook())


class Faults:
    """Which call, counted from 1 over all ports and threads, meets which fault."""

    def __init__(self, plan: Mapping[int, Fault] | None = None) -> None:
        self.plan = dict(plan or {})
        self.calls: list[str] = []
        self._lock = threading.Lock()

    def call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            self.calls.append(name)
            fault = self.plan.get(len(self.calls))
        if fault is None:
            return function(*args, **kwargs)
        fault.before()
        answer = function(*args, **kwargs)
        fault.after(name)
        return answer


class _Faulty:
    def __init__(self, port: object, name: str, faults: Faults) -> None:
        self._port = port
        self._name = name
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if name in _NOT_COUNTED or not callable(attribute):
            return attribute
        return partial(self._faults.call, f"{self._name}.{name}", attribute)


def faulty_table(table: Table, faults: Faults) -> Table:
    return cast(Table, _Faulty(table, "table", faults))


def faulty_objects(objects: Objects, faults: Faults) -> Objects:
    return cast(Objects, _Faulty(objects, "objects", faults))


def faulty_queues(queues: Queues, faults: Faults) -> Queues:
    return cast(Queues, _Faulty(queues, "queues", faults))


def faulty(stack: Stack, faults: Faults) -> Stack:
    """The same stack with faults at its table, objects and queues. Its memory is fresh."""
    return replace(
        stack,
        table=faulty_table(stack.table, faults),
        objects=lambda bucket: faulty_objects(stack.objects(bucket), faults),
        queues=faulty_queues(stack.queues, faults),
    )


class LaggingIndexes:
    """A table whose indexes lag by one question: each is answered as it would have been the time before, at first with
    nothing. Cursors go on from where the answer given ended."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._before: dict[str, Page[Item]] = {}

    def query(self, pk: str, **asked: Any) -> Page[Item]:
        answer = self._table.query(pk, **asked)
        if asked.get("index") is None:
            return answer
        question = repr((pk, sorted(asked.items())))
        before, self._before[question] = self._before.get(question, Page(())), answer
        return before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


def lagging_indexes(table: Table) -> Table:
    return cast(Table, LaggingIndexes(table))
