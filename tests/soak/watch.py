"""Memory of the service's processes, and what its data folder holds, looked at again and again from outside.

Proportional set size: pages that both processes share count half for each, so the sum is what the service takes up.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.serving import process_tree

EVERY_S: Final = 5.0
MIB: Final = 1024 * 1024
PROCESSES: Final = ("gateway", "consumers")
# Fewer looks than this say nothing of a trend.
LOOKS_A_THIRD: Final = 3
_TABLES: Final = ("table", "audit", "queues")
_ROWS: Final = "SELECT substr(pk, 1, instr(pk || '#', '#') - 1), count(*) FROM items GROUP BY 1"


@dataclass(frozen=True, slots=True)
class Look:
    """One look. memory: bytes of each process, gateway first; tables: bytes of each file with what lies beside it;
    rows: how many the table has of what; messages: how many wait in each queue."""

    at_s: float
    memory: tuple[int, ...]
    tables: dict[str, int]
    objects: int
    objects_bytes: int
    rows: dict[str, int]
    messages: dict[str, int]


# What may not grow: (name, figure, by so much it may, or by such a part of itself). Memory: what a busy allocator does;
# what is stored: chance, since as much dies as is pushed, but not at the same moment.
_FIGURES: Final[tuple[tuple[str, Callable[[Look], float], float, float], ...]] = (
    ("memory of the gateway", lambda one: one.memory[0], 8 * MIB, 0.05),
    ("memory of the consumers", lambda one: one.memory[1], 8 * MIB, 0.05),
    ("bytes of objects", lambda one: one.objects_bytes, 8 * MIB, 0.25),
    ("objects", lambda one: one.objects, 200, 0.25),
    ("rows of the table", lambda one: sum(one.rows.values()), 1000, 0.25),
    ("bytes of the table", lambda one: one.tables["table"], 8 * MIB, 0.25),
    ("bytes of the queues", lambda one: one.tables["queues"], 4 * MIB, 0.25),
    ("messages waiting", lambda one: sum(one.messages.values()), 100, 0.25),
)


@dataclass
class Watch:
    """A thread that looks every few seconds until told to end."""

    pid: int
    data: Path
    looks: list[Look] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        begun = time.monotonic()

        def run() -> None:
            while not self._ending.wait(EVERY_S):
                self.looks.append(look(self.pid, self.data, time.monotonic() - begun))

        self._thread = threading.Thread(target=run, name="watch", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join()


def look(pid: int, data: Path, at_s: float) -> Look:
    paths = [Path(folder, name) for folder, _, names in os.walk(data / "buckets") for name in names]
    sizes = [size for size in map(_size, paths) if size is not None]
    return Look(
        at_s=at_s,
        memory=tuple(_proportional_bytes(member) for member in process_tree(pid)),
        tables={name: sum(_size(path) or 0 for path in data.glob(f"{name}.sqlite3*")) for name in _TABLES},
        objects=len(sizes),
        objects_bytes=sum(sizes),
        rows=_counts(data / "table.sqlite3", _ROWS),
        messages=waiting(data),
    )


def waiting(data: Path) -> dict[str, int]:
    """How many messages each queue has that was not emptied, dead letters among them."""
    return _counts(data / "queues.sqlite3", "SELECT queue, count(*) FROM messages GROUP BY 1")


def _size(path: Path) -> int | None:
    """None for what went away meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _proportional_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _counts(path: Path, sql: str) -> dict[str, int]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as reading:
        return {str(name): int(count) for name, count in reading.execute(sql)}


@dataclass(frozen=True, slots=True)
class Trend:
    """A figure's medians in the first and in the last third of the time after the warm-up."""

    name: str
    first: float
    last: float
    allowed: float

    @property
    def flat(self) -> bool:
        return self.last <= self.first + self.allowed


def trends(looks: Sequence[Look], warm_up_s: float) -> list[Trend]:
    """What may not grow. Empty where there were too few looks to tell."""
    warm = [one for one in looks if one.at_s >= warm_up_s and len(one.memory) == len(PROCESSES)]
    third = len(warm) // 3
    if third < LOOKS_A_THIRD:
        return []
    return [
        Trend(
            name,
            before := statistics.median(map(figure, warm[:third])),
            statistics.median(map(figure, warm[-third:])),
            max(least, before * part),
        )
        for name, figure, least, part in _FIGURES
    ]


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children that live, user and system."""
    ticks = 0
    for member in process_tree(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
