"""What `ports.table` promises to many threads at once. Not for adapters that take turns by nature."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from chalicelib.kernel.errors import Unavailable
from chalicelib.ports.table import (
    ConditionFailed,
    Key,
    Put,
    Table,
    TransactionCancelled,
    Update,
    absent,
    at_most,
    equals,
)

T = TypeVar("T")
THREADS = 8


def at_once(function: Callable[[int], T], times: int = THREADS) -> list[T]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(function, range(times)))


def persist(write: Callable[[], T]) -> T:
    """Repeats what the store was too busy for; these tests write nothing whose outcome could stay unknown."""
    for _ in range(200):
        try:
            return write()
        except Unavailable:
            continue
    raise AssertionError("the store stayed busy")


def number(table: Table, key: Key, name: str = "n") -> Any:
    item = table.get(key)
    return item[name] if item else None


def test_of_many_that_put_if_absent_one_wins(concurrent_table: Table) -> None:
    def claim(thread: int) -> bool:
        try:
            persist(lambda: concurrent_table.put({"pk": "P", "sk": "S", "by": thread}, absent()))
        except ConditionFailed:
            return False
        return True

    won = at_once(claim)

    assert won.count(True) == 1
    assert number(concurrent_table, Key("P", "S"), "by") == won.index(True)


def test_compare_and_set_loses_no_step(concurrent_table: Table) -> None:
    key = Key("P", "S")
    concurrent_table.put({"pk": "P", "sk": "S", "version": 0})

    def climb(thread: int) -> int:
        steps = 0
        while steps < 20:
            seen = number(concurrent_table, key, "version")
            change = Update(key, set={"version": seen + 1}, when=equals("version", seen))
            try:
                persist(lambda change=change: concurrent_table.update(change))  # type: ignore[misc]
                steps += 1
            except ConditionFailed:
                continue
        return steps

    assert sum(at_once(climb, 4)) == number(concurrent_table, key, "version") == 80


def test_a_counter_never_passes_its_limit(concurrent_table: Table) -> None:
    key = Key("P", "S")
    concurrent_table.put({"pk": "P", "sk": "S", "used": 0})

    def take(thread: int) -> int:
        taken = 0
        for _ in range(20):
            try:
                persist(lambda: concurrent_table.update(Update(key, add={"used": 3}, when=at_most("used", 100 - 3))))
                taken += 1
            except ConditionFailed:
                pass
        return taken

    assert sum(at_once(take)) * 3 == number(concurrent_table, key, "used") == 99


def test_transactions_that_meet_keep_the_sum(concurrent_table: Table) -> None:
    concurrent_table.put_many([{"pk": "ACCOUNT", "sk": str(n), "n": 100} for n in range(3)])
    reasons: list[set[int]] = []

    def move(thread: int) -> None:
        for step in range(15):
            source, target = str((thread + step) % 3), str((thread + step + 1) % 3)
            before = number(concurrent_table, Key("ACCOUNT", source))
            writes = [
                Update(Key("ACCOUNT", source), add={"n": -1}, when=equals("n", before)),
                Update(Key("ACCOUNT", target), add={"n": 1}),
            ]
            try:
                persist(lambda writes=writes: concurrent_table.transact(writes))  # type: ignore[misc]
            except TransactionCancelled as cancelled:
                reasons.append(set(cancelled.failed))
            assert sum(item["n"] for item in concurrent_table.query("ACCOUNT").items) == 300

    at_once(move, 4)

    assert all(failed == {0} for failed in reasons)
    assert sum(item["n"] for item in concurrent_table.query("ACCOUNT").items) == 300


def test_a_reader_sees_transactions_whole(concurrent_table: Table) -> None:
    """Two items of one partition always carry the same number: a query is one moment."""
    pair = [Key("P", "a"), Key("P", "b")]
    concurrent_table.put_many([{"pk": "P", "sk": key.sk, "n": 0} for key in pair])
    running = iter([True] * 40)

    def work(thread: int) -> list[tuple[int, ...]]:
        if thread == 0:
            for value in range(1, 40):
                next(running)
                writes = [Put({"pk": "P", "sk": key.sk, "n": value}) for key in pair]
                persist(lambda writes=writes: concurrent_table.transact(writes))  # type: ignore[misc]
            return []
        return [tuple(item["n"] for item in concurrent_table.query("P").items) for _ in range(60)]

    snapshots = set(itertools.chain.from_iterable(at_once(work, 3)))

    assert all(first == second for first, second in snapshots)


def test_a_thread_reads_what_another_has_written(concurrent_table: Table) -> None:
    """What is answered from memory under an epoch is never older than a write that returned before."""

    def write_and_tell(thread: int) -> None:
        key = Key("P", str(thread))
        for value in range(20):
            before = concurrent_table.epoch()
            persist(lambda value=value: concurrent_table.put({"pk": "P", "sk": key.sk, "n": value}))  # type: ignore[misc]
            assert concurrent_table.epoch() != before
            with ThreadPoolExecutor(1) as other:
                assert other.submit(number, concurrent_table, key).result() == value

    at_once(write_and_tell, 4)
