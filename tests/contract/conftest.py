"""One suite per port, run on every adapter. Each fixture is parametrised by the adapter's name.

To add an adapter: write a function `open_<port>` that yields the port, and name it in the table below. Adapters that
take turns by nature (moto in process knows no conflicts) are left out of `concurrent`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.ports.embedded.queues import SqliteQueues
from chalicelib.ports.embedded.stack import Buckets
from chalicelib.ports.embedded.table import SqliteTable
from chalicelib.ports.objects import Objects
from chalicelib.ports.queues import Queues
from chalicelib.ports.table import Table
from tests.ports_aws import adapters as aws


class HandClock:
    """Moved by hand. An adapter that keeps its own time sets `passes`, which then really waits."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 31, 8, tzinfo=UTC)
        self.passes: Callable[[float], None] = lambda seconds: None

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self.passes(seconds)


@contextmanager
def open_sqlite_table(folder: Path) -> Iterator[Table]:
    table = SqliteTable(folder / "table.sqlite3")
    try:
        yield table
    finally:
        table.close()


@contextmanager
def open_file_objects(folder: Path) -> Iterator[Callable[[str], Objects]]:
    """Buckets `one` and `two`."""
    buckets = Buckets(folder)
    buckets.create("one")
    buckets.create("two")
    yield buckets


@contextmanager
def open_sqlite_queues(folder: Path, clock: HandClock) -> Iterator[Queues]:
    queues = SqliteQueues(folder / "queues.sqlite3", clock)
    try:
        yield queues
    finally:
        queues.close()


Opener = Callable[..., AbstractContextManager[Any]]
TABLES: Final[dict[str, Opener]] = {"sqlite": open_sqlite_table, **aws.TABLES}
OBJECTS: Final[dict[str, Opener]] = {"files": open_file_objects, **aws.OBJECTS}
QUEUES: Final[dict[str, Opener]] = {"sqlite": open_sqlite_queues, **aws.QUEUES}
CONCURRENT: Final = frozenset({"sqlite", "files", *aws.CONCURRENT})


@pytest.fixture(params=sorted(TABLES))
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Table]:
    with TABLES[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture(params=sorted(CONCURRENT & TABLES.keys()))
def concurrent_table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Table]:
    """Only adapters that many threads may use at once."""
    with TABLES[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture(params=sorted(OBJECTS))
def buckets(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Objects]]:
    """Opens buckets `one` and `two`."""
    with OBJECTS[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture
def objects(buckets: Callable[[str], Objects]) -> Objects:
    return buckets("one")


@pytest.fixture(params=sorted(CONCURRENT & OBJECTS.keys()))
def concurrent_objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Objects]:
    with OBJECTS[request.param](tmp_path) as opened:
        yield opened("one")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=sorted(QUEUES))
def queues(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> Iterator[Queues]:
    """Queues `work`, `work-dead` and `other`, and time that passes by `clock.advance` alone."""
    with QUEUES[request.param](tmp_path, clock) as opened:
        yield opened


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    aws.expect_gaps(items)
