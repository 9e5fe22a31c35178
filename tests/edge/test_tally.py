"""What is counted in memory reaches the table once, and is not lost to a failure."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from chalicelib.edge.tally import Flushing, Tally, flush_tallies, flushing, tally
from chalicelib.kernel.errors import Unavailable
from chalicelib.ports.stack import Stack


class Written:
    """Remembers what was written; refuses while `down`."""

    def __init__(self) -> None:
        self.batches: list[dict[str, int]] = []
        self.down = False
        self.seen = threading.Event()

    def __call__(self, counts: Mapping[str, int]) -> None:
        if self.down:
            raise Unavailable
        self.batches.append(dict(counts))
        self.seen.set()


def test_counts_are_written_together_and_once() -> None:
    """N4, G1"""
    written = Written()
    counts = Tally(written)
    for _ in range(3):
        counts.add("a")
    counts.add("b", 5)
    assert written.batches == []
    counts.flush()
    counts.flush()
    assert written.batches == [{"a": 3, "b": 5}]


def test_a_failed_write_keeps_the_counts() -> None:
    written = Written()
    counts = Tally(written)
    counts.add("a")
    written.down = True
    with pytest.raises(Unavailable):
        counts.flush()
    counts.add("a", 2)
    counts.add("b")
    written.down = False
    counts.flush()
    assert written.batches == [{"a": 3, "b": 1}]


def test_too_many_keys_are_written_early() -> None:
    written = Written()
    counts = Tally(written, most=3)
    for key in "abc":
        counts.add(key)
    assert written.seen.wait(5)
    assert written.batches == [{"a": 1, "b": 1, "c": 1}]


def test_keys_stay_bounded_while_nothing_can_be_written() -> None:
    written = Written()
    written.down = True
    counts = Tally(written, most=2)
    for number in range(100):
        counts.add(str(number))
    written.down = False
    counts.flush()
    assert sum(len(batch) for batch in written.batches) <= 100
    assert len(written.batches[-1]) <= 8


def test_a_process_has_one_tally_of_a_name_and_all_are_flushed(stack: Stack) -> None:
    pulls, refusals = Written(), Written()
    first = tally(stack, "pulls", pulls)
    assert tally(stack, "pulls", Written()) is first
    first.add("x")
    tally(stack, "refusals", refusals).add("y")
    flush_tallies(stack)
    assert (pulls.batches, refusals.batches) == ([{"x": 1}], [{"y": 1}])


def test_one_that_cannot_be_written_does_not_hold_up_the_others(stack: Stack) -> None:
    down, up = Written(), Written()
    down.down = True
    tally(stack, "down", down).add("x")
    tally(stack, "up", up).add("y")
    flush_tallies(stack)
    assert up.batches == [{"y": 1}]
    down.down = False
    flush_tallies(stack)
    assert down.batches == [{"x": 1}]


def test_a_running_process_flushes_by_itself_and_once_more_at_its_end(stack: Stack) -> None:
    written = Written()
    counts = tally(stack, "pulls", written)
    flushing = Flushing(stack, every_s=0.01)
    counts.add("a")
    flushing.start()
    assert written.seen.wait(5)
    flushing.stop()
    counts.add("b")
    flushing.stop()
    assert written.batches == [{"a": 1}, {"b": 1}]


def test_a_function_writes_what_an_event_gathered_also_where_it_fails(stack: Stack) -> None:
    """A frozen function may never wake."""
    written = Written()
    counts = tally(stack, "pulls", written)
    middleware = flushing(lambda: stack)

    def handler(event: str) -> str:
        counts.add(event)
        if event == "bad":
            raise RuntimeError("cannot")
        return "done"

    assert middleware("good", handler) == "done"
    with pytest.raises(RuntimeError):
        middleware("bad", handler)
    assert written.batches == [{"good": 1}, {"bad": 1}]
