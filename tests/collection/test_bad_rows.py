"""Rows that cannot be done are in nobody's way (X3)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest

from chalicelib.collection.service import BATCH, Sweeper
from chalicelib.kernel.names import TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from tests.registry.images import NAME
from tests.registry.library import DAY, Library
from tests.stacks import FrozenClock, embedded_stack


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened:
        yield opened


def _bad_rows(partition: str) -> Iterator[dict[str, str]]:
    """Entries of which nothing is known but that they were due before all others."""
    for number in count():
        due = keys.due("bin", "2000-01-01T00:00:00.000000Z", f"bad{number}")
        if due["i1pk"] == partition:
            yield {**keys.bin_entry("nobody", f"bad{number}")._asdict(), **due}


def test_a_batch_of_rows_that_fail_does_not_stop_what_is_due_behind_them(stack: Stack, clock: FrozenClock) -> None:
    """X3: thousands of tenants share a shard"""
    library = Library.opened(stack)
    library.push("v1")
    library.registry.delete(library.owner, NAME, TagName("v1"))
    bin_of_instance = keys.bin_partition(library.instance.id)
    (row,) = stack.table.query(bin_of_instance).items
    for bad in islice(_bad_rows(row["i1pk"]), BATCH + 20):
        stack.table.put(bad)
    clock.advance(8 * DAY)
    assert Sweeper(stack).clear("bin", row["i1pk"]) is False
    assert stack.table.query(bin_of_instance).items == ()
