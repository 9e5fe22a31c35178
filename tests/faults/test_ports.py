"""The faulty ports fail where they are told to, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack, open_stack
from chalicelib.ports.table import Key, OutcomeUnknown

from .ports import FAIL_AFTER, FAIL_BEFORE, Faults, faulty, hook_after, hook_before, lagging_indexes

KEY = Key("P", "S")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with open_stack(Settings(data=tmp_path / "data")) as opened:
        yield opened


def test_calls_of_all_ports_are_numbered_in_order(stack: Stack) -> None:
    faults = Faults()
    watched = faulty(stack, faults)

    watched.table.put({"pk": "P", "sk": "S"})
    watched.objects("crs").put("key", b"")
    watched.queues.send("work", ["x"])
    watched.memory.get("key", lambda: watched.table.get(KEY))

    assert faults.calls == ["table.put", "objects.put", "queues.send", "table.get"]


def test_a_call_that_fails_before_has_no_effect(stack: Stack) -> None:
    with pytest.raises(Unavailable):
        faulty(stack, Faults({1: FAIL_BEFORE})).table.put({"pk": "P", "sk": "S"})

    assert stack.table.get(KEY) is None


def test_a_call_that_fails_after_took_effect(stack: Stack) -> None:
    watched = faulty(stack, Faults({1: FAIL_AFTER, 2: FAIL_AFTER}))
    with pytest.raises(OutcomeUnknown):
        watched.table.put({"pk": "P", "sk": "S"})
    with pytest.raises(Unavailable):
        watched.objects("crs").put("key", b"")

    assert stack.table.get(KEY) is not None
    assert stack.objects("crs").get("key").size == 0


def test_hooks_run_around_the_call(stack: Stack) -> None:
    seen: list[bool] = []

    def look() -> None:
        seen.append(stack.table.get(KEY) is not None)

    watched = faulty(stack, Faults({1: hook_before(look), 2: hook_after(look)}))
    watched.table.put({"pk": "P", "sk": "S"})
    watched.table.delete(KEY)

    assert seen == [False, False]


def test_lagging_indexes_answer_from_the_past(stack: Stack) -> None:
    table = lagging_indexes(stack.table)
    table.put({"pk": "P", "sk": "S", "i1pk": "X", "i1sk": "1"})

    assert table.query("X", index="i1").items == ()
    assert len(table.query("X", index="i1").items) == 1
    assert len(table.query("P").items) == 1
