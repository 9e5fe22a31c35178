"""What only queues in SQLite promise: late words of an old receiver change nothing for the new one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.kernel.moment import SystemClock
from chalicelib.ports.embedded.queues import DEAD_KEPT, SqliteQueues
from tests.stacks import FrozenClock


@pytest.fixture
def queues(tmp_path: Path) -> Iterator[SqliteQueues]:
    opened = SqliteQueues(tmp_path / "queues.sqlite3", SystemClock())
    yield opened
    opened.close()


def test_late_words_of_an_old_receiver_are_ignored(queues: SqliteQueues) -> None:
    queues.send("work", ["x"])
    (old,) = queues.receive("work", visibility_s=0)
    (new,) = queues.receive("work", visibility_s=60)

    queues.extend(old, 0)
    queues.fail(old, delay_s=0)
    assert queues.receive("work") == []

    queues.fail(new, delay_s=0)
    assert len(queues.receive("work")) == 1


def test_who_waits_is_given_what_is_sent_meanwhile(queues: SqliteQueues) -> None:
    sender = threading.Timer(0.05, queues.send, ("work", ["x"]))
    sender.start()

    began = time.monotonic()
    deliveries = queues.receive("work", wait_s=10)

    assert [delivery.body for delivery in deliveries] == ["x"]
    assert time.monotonic() - began < 5
    sender.join()


def test_looking_at_an_idle_queue_writes_nothing(queues: SqliteQueues) -> None:
    epoch = queues._database.epoch()
    queues.receive("work", wait_s=0.05)

    assert queues._database.epoch() == epoch


def test_out_of_contract_numbers_are_refused(queues: SqliteQueues) -> None:
    for most in (0, 11):
        with pytest.raises(ValueError):
            queues.receive("work", most=most)
    for delay_s in (-1, 901):
        with pytest.raises(ValueError):
            queues.send("work", ["x"], delay_s=delay_s)


def test_dead_letters_are_dropped_fourteen_days_after_they_were_sent(tmp_path: Path) -> None:
    clock = FrozenClock()
    queues = SqliteQueues(tmp_path / "old.sqlite3", clock)
    queues.send("work-dead", ["looked at"])
    queues.send("idle-dead", ["never looked at"])
    clock.advance(DEAD_KEPT.total_seconds())
    assert (queues.depth("work-dead"), queues.depth("idle-dead")) == (1, 1)
    clock.advance(1)
    assert (queues.depth("work-dead"), queues.receive("work-dead")) == (0, [])

    queues.send("work", ["lives on", "dies"])
    clock.advance(DEAD_KEPT.total_seconds() + 1)
    assert queues.depth("work") == 2
    for _ in range(5):
        (first, second) = queues.receive("work")
        queues.fail(second, delay_s=0)
        queues.extend(first, 0)
    kept = queues._database.reader().execute("SELECT queue FROM messages ORDER BY queue").fetchall()
    assert kept == [("work",), ("work-dead",)]
    queues.close()
