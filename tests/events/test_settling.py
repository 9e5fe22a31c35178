"""R6, I7. The end of a push's event: whatever fails there, and whoever else is at it, the push is counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from chalicelib.chain import CHAIN
from chalicelib.collection.service import Sweeper
from chalicelib.edge.consume import send
from chalicelib.kernel.errors import Unavailable
from chalicelib.ports import keys, paths
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, Table, Write
from chalicelib.registry import handlers
from chalicelib.registry.outbox import Outbox
from chalicelib.registry.series import Series
from tests.registry.library import Library
from tests.stacks import FrozenClock, TableWith, with_table


class Faltering:
    """A table whose transaction that settles does not answer the first time, having taken effect or not."""

    def __init__(self, table: Table, *, takes_effect: bool) -> None:
        self._table = table
        self._takes_effect = takes_effect
        self.faltered = False

    def transact(self, writes: Sequence[Write], *, relaxed: bool = False) -> None:
        falters = not self.faltered and any(write.key.pk.startswith("OUTBOX#") for write in writes)
        if not falters or self._takes_effect:
            self._table.transact(writes, relaxed=relaxed)
        if falters:
            self.faltered = True
            raise OutcomeUnknown("injected: no answer")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


def events(library: Library) -> list[str]:
    objects = library.stack.objects(library.instance.bucket)
    return [one.key for one in objects.list(f"{library.instance.id}/pushes/").items]


def bring(stack: Stack, library: Library, key: str) -> None:
    send(stack, handlers.object_created(stack, library.instance.bucket, key), CHAIN)


def pushes(library: Library) -> int:
    now = library.stack.clock.now()
    return sum(hour.pushes for hour in Series(library.stack).hours(library.instance.id, now, now))


@pytest.mark.parametrize("takes_effect", [False, True])
def test_a_settling_without_answer_neither_loses_nor_doubles_the_count(
    stack: Stack, clock: FrozenClock, takes_effect: bool
) -> None:
    library = Library.opened(stack)
    library.push("v1")
    (key,) = events(library)
    table = Faltering(stack.table, takes_effect=takes_effect)
    with pytest.raises(Unavailable):
        bring(replace(stack, table=cast(Table, table)), library, key)
    assert table.faltered
    clock.advance(61)
    Sweeper(stack).run()
    for again in events(library):
        bring(stack, library, again)
    assert (pushes(library), events(library)) == (1, [])


def test_two_that_settle_one_push_at_once_count_it_once(stack: Stack) -> None:
    library = Library.opened(stack)
    library.push("v1")
    (key,) = events(library)
    first, second = (handlers.object_created(stack, library.instance.bucket, key) for _ in range(2))
    send(stack, first, CHAIN)
    send(stack, second, CHAIN)
    assert pushes(library) == 1


def test_a_push_object_whose_push_was_settled_goes(stack: Stack) -> None:
    """The sweeper may make one in the moment another event is through."""
    library = Library.opened(stack)
    library.push("v1")
    (key,) = events(library)
    bring(stack, library, key)
    stack.objects(library.instance.bucket).put(key, b"")
    bring(stack, library, key)
    assert (pushes(library), events(library)) == (1, [])


def test_a_sweep_in_the_midst_of_a_slow_settling_leaves_no_push_object(stack: Stack, clock: FrozenClock) -> None:
    """The event of the object that it makes may get lost."""
    library = Library.opened(stack)
    library.push("v1")
    (key,) = events(library)
    clock.advance(61)
    made: list[str] = []

    def sweep() -> None:
        Sweeper(stack).run()
        made.extend(events(library))

    bring(with_table(stack, TableWith(stack.table, sweep)), library, key)
    assert key in made
    assert (pushes(library), events(library)) == (1, [])


def test_a_sweep_that_comes_late_to_a_settled_push_leaves_no_push_object(stack: Stack) -> None:
    library = Library.opened(stack)
    library.push("v1")
    (key,) = events(library)
    row = stack.table.get(keys.outbox(paths.incarnation_of(key)))
    assert row is not None
    bring(stack, library, key)
    Outbox(stack).announce_again(row, stack.clock.now())
    assert events(library) == []
