"""A write that was answered is on the disk, in its order, whatever dies."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from chalicelib.kernel.errors import Unavailable
from chalicelib.ports.embedded.durability import EXIT_DISK_LOST, Barrier
from chalicelib.ports.embedded.stack import Buckets
from chalicelib.ports.embedded.table import SqliteTable
from chalicelib.ports.table import Key, Put, Update


class Disk:
    """Keeps, at every sync, what a loss of power would leave: the files as they were when the sync began."""

    def __init__(self, folder: Path) -> None:
        self.live = folder / "live.sqlite3"
        self.folder = folder
        self.syncs = 0

    def sync(self, descriptor: int) -> None:
        image = self.folder / f"image{self.syncs + 1}.sqlite3"
        shutil.copy(f"{self.live}-wal", f"{image}-wal")
        shutil.copy(self.live, image)
        time.sleep(0.002)  # a slow disk: commits gather meanwhile, and are not in the image
        self.syncs += 1

    def after_power_loss(self) -> SqliteTable:
        return SqliteTable(self.folder / f"image{self.syncs}.sqlite3")


def test_every_answered_write_is_in_the_synced_file(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    table = SqliteTable(disk.live, sync=disk.sync)
    lost: list[str] = []
    turn = threading.Lock()

    def write(thread: int) -> None:
        for number in range(6):
            name = f"{thread}-{number}"
            table.put({"pk": "P", "sk": name})
            with turn:
                left = disk.after_power_loss()
                if left.get(Key("P", name)) is None:
                    lost.append(name)
                left.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    table.close()

    assert lost == []


def test_waiting_commits_share_one_sync(tmp_path: Path) -> None:
    began, go_on = threading.Event(), threading.Event()
    syncs: list[int] = []

    def sync(descriptor: int) -> None:
        syncs.append(barrier._committed)
        if len(syncs) == 1:
            began.set()
            assert go_on.wait(10)

    wal = tmp_path / "wal"
    wal.touch()
    barrier = Barrier(wal, sync=sync)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(barrier.wait, barrier.committed())
        assert began.wait(10)
        others = [pool.submit(barrier.wait, barrier.committed()) for _ in range(8)]
        go_on.set()
        for waiting in (first, *others):
            waiting.result(10)

    assert syncs == [1, 9]


def test_a_relaxed_write_is_made_durable_by_the_next_that_is_not(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    table = SqliteTable(disk.live, sync=disk.sync)
    before = disk.syncs

    table.put({"pk": "P", "sk": "relaxed"}, relaxed=True)
    assert disk.syncs == before
    table.put({"pk": "P", "sk": "durable"})

    left = disk.after_power_loss()
    assert left.get(Key("P", "relaxed")) is not None
    left.close()
    table.close()


def test_closing_makes_relaxed_writes_durable(tmp_path: Path) -> None:
    """Also where another process keeps the file open, and SQLite therefore does not."""
    disk = Disk(tmp_path)
    other = SqliteTable(disk.live)
    table = SqliteTable(disk.live, sync=disk.sync)

    table.put({"pk": "P", "sk": "relaxed"}, relaxed=True)
    table.close()

    left = disk.after_power_loss()
    assert left.get(Key("P", "relaxed")) is not None
    left.close()
    other.close()


def test_a_closed_table_is_unavailable(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "table.sqlite3")
    table.close()

    with pytest.raises(Unavailable):
        table.put({"pk": "P", "sk": "S"})


class Ended(BaseException):
    pass


def end(reason: str) -> NoReturn:
    raise Ended(reason)


def test_a_failed_sync_ends_the_process(tmp_path: Path) -> None:
    failing = False

    def sync(descriptor: int) -> None:
        if failing:
            raise OSError(5, "Input/output error")

    table = SqliteTable(tmp_path / "table.sqlite3", end=end, sync=sync)
    failing = True

    with pytest.raises(Ended):
        table.put({"pk": "P", "sk": "S"})
    failing = False
    table.close()


def test_ending_the_process_tells_why() -> None:
    command = "from chalicelib.ports.embedded.durability import end_process; end_process('disk gone')"
    ended = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)

    assert ended.returncode == EXIT_DISK_LOST
    assert "disk gone" in ended.stderr


def test_a_removed_log_ends_the_process(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "table.sqlite3", end=end)
    os.unlink(tmp_path / "table.sqlite3-wal")

    with pytest.raises(Ended):
        table.put({"pk": "P", "sk": "S"})


WRITER = """
import sys
from pathlib import Path
from chalicelib.ports.embedded.stack import Buckets
from chalicelib.ports.embedded.table import SqliteTable
from chalicelib.ports.table import Key, Put, Update

folder = Path(sys.argv[1])
table = SqliteTable(folder / "table.sqlite3")
buckets = Buckets(folder)
buckets.create("one")
objects = buckets("one")
counter = table.get(Key("P", "counter"))
number = counter["n"] if counter else 0
while True:
    number += 1
    key = f"o/{sys.argv[2]}/{number}"
    objects.put(key, str(number).encode() * 5000)
    table.transact([Put({"pk": "LOG", "sk": f"{number:09}", "key": key}), Update(Key("P", "counter"), add={"n": 1})])
    print(number, flush=True)
"""


def test_a_killed_process_leaves_all_it_answered_and_no_halves(tmp_path: Path) -> None:
    """R8: `kill -9` at any moment; three times on one folder."""
    answered = 0
    for life in range(3):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(life)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(random.Random(life).uniform(0, 0.15))
        child.send_signal(signal.SIGKILL)
        lines = child.stdout.read().split("\n")
        child.wait()
        answered = max([answered, *(int(line) for line in lines[:-1] if line)])
        check(tmp_path, answered)


def check(folder: Path, answered: int) -> None:
    opened_at = time.monotonic()
    table = SqliteTable(folder / "table.sqlite3")
    counter = table.get(Key("P", "counter"))
    assert time.monotonic() - opened_at < 3
    assert counter is not None
    written = counter["n"]
    assert written >= answered
    objects = Buckets(folder)("one")
    for number in range(1, written + 1):
        row = table.get(Key("LOG", f"{number:09}"))
        assert row is not None
        reading = objects.get(row["key"])
        assert b"".join(reading.chunks()) == str(number).encode() * 5000
        reading.close()
    assert table.get(Key("LOG", f"{written + 1:09}")) is None
    table.close()


def test_a_long_log_starts_over_while_many_write(tmp_path: Path) -> None:
    """The log stays bounded though writers never pause, and all they wrote is there."""
    table = SqliteTable(tmp_path / "table.sqlite3")

    def write(thread: int) -> None:
        for number in range(400):
            writes: list[Put | Update] = [
                Put({"pk": f"P{thread}", "sk": f"{number}-{n}", "b": b"x" * 9000}) for n in range(4)
            ]
            table.get(Key("P", "counter"))  # a reader that held on to its moment would keep the log from starting over
            table.transact([*writes, Update(Key("P", "counter"), add={"n": 1})], relaxed=True)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))

    # 1 200 transactions of about 20 pages: 100 MB if the log never started over.
    assert (tmp_path / "table.sqlite3-wal").stat().st_size < 50_000_000
    assert table.get(Key("P", "counter")) == {"pk": "P", "sk": "counter", "n": 1200}
    table.close()


def test_expired_items_are_dropped_by_those_who_add_more(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "table.sqlite3")
    now = int(time.time())
    table.put_many([{"pk": "T", "sk": str(n), "expires": now - 90_000} for n in range(6)])
    table.put({"pk": "T", "sk": "fresh", "expires": now - 5})

    for _ in range(2):
        table.put({"pk": "T", "sk": "new", "expires": now + 60})

    assert [item["sk"] for item in table.query("T").items] == ["fresh", "new"]
    table.close()


OTHER = """
import sys
from pathlib import Path
from chalicelib.ports.embedded.table import SqliteTable
from chalicelib.ports.table import Key, Update

table = SqliteTable(Path(sys.argv[1]))
for line in sys.stdin:
    for _ in range(int(line)):
        table.update(Update(Key("P", "counter"), add={"n": 1}))
    print("done", flush=True)
table.close()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Callable[[int], None]]:
    """Another process that counts so many times, and has done so when the call returns."""
    child = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path / "table.sqlite3")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def count(times: int) -> None:
        assert child.stdin and child.stdout
        child.stdin.write(f"{times}\n")
        child.stdin.flush()
        assert child.stdout.readline() == "done\n"

    yield count
    assert child.stdin
    child.stdin.close()
    assert child.wait(10) == 0


def test_the_epoch_tells_of_another_process(tmp_path: Path, other: Callable[[int], None]) -> None:
    """G1: what one process revokes is never served from the other's memory."""
    table = SqliteTable(tmp_path / "table.sqlite3")
    for value in range(1, 20):
        before = table.epoch()
        assert table.epoch() == before
        other(1)
        assert table.epoch() != before
        assert table.get(Key("P", "counter")) == {"pk": "P", "sk": "counter", "n": value}
    table.close()


def test_two_processes_count_together(tmp_path: Path, other: Callable[[int], None]) -> None:
    table = SqliteTable(tmp_path / "table.sqlite3")
    with ThreadPoolExecutor(4) as pool:
        theirs = pool.submit(other, 150)
        ours = [pool.submit(count_here, table, 100) for _ in range(3)]
        for counting in (theirs, *ours):
            counting.result(60)

    assert table.get(Key("P", "counter")) == {"pk": "P", "sk": "counter", "n": 450}
    table.close()


def test_a_foreign_program_that_writes_is_waited_for(tmp_path: Path) -> None:
    """A shell or a backup takes SQLite's own lock, not ours; what it wrote is counted upon."""
    table = SqliteTable(tmp_path / "table.sqlite3")
    table.put({"pk": "P", "sk": "counter", "n": 1})
    foreign = sqlite3.connect(tmp_path / "table.sqlite3", isolation_level=None, check_same_thread=False)
    foreign.execute("BEGIN IMMEDIATE")
    foreign.execute("DELETE FROM items")

    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(count_here, table, 1)
        time.sleep(0.05)
        assert not counting.done()
        foreign.execute("COMMIT")
        counting.result(10)

    assert table.get(Key("P", "counter")) == {"pk": "P", "sk": "counter", "n": 1}
    foreign.close()
    table.close()


def count_here(table: SqliteTable, times: int) -> None:
    for _ in range(times):
        table.update(Update(Key("P", "counter"), add={"n": 1}))
