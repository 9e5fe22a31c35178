"""The stack of one machine. Everything lies in the data folder:

table.sqlite3 audit.sqlite3 queues.sqlite3     with -wal and -shm beside each, and .lock, where writers queue
buckets/<bucket>/<key>                         objects; buckets/<bucket>/+parts/<id>: uploads under way
events/                                        push objects whose event is not handled (`spool.py`)
secrets/                                       keys and the first password, for the owner alone
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from chalicelib.kernel.errors import Invalid, NotFound
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import Clock
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack
from chalicelib.ports.versioned import VersionedTable

from .folders import sync_folder
from .objects import FileObjects
from .queues import SqliteQueues
from .spool import Spool
from .table import SqliteTable

P = ParamSpec("P")
T = TypeVar("T")

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
# Writers mostly wait for the disk, and the more wait the more share one sync.
_WRITER_THREADS: Final = 24


class Buckets:
    """The buckets of one data folder; called with a bucket's name it answers the bucket's objects."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "buckets"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self.spool = Spool(data / "events")
        self._opened: dict[str, FileObjects] = {}

    def __call__(self, bucket: str) -> FileObjects:
        """Raises NotFound if there is no such bucket."""
        try:
            return self._opened[bucket]
        except KeyError:
            pass
        folder = self._folder / bucket
        if not _BUCKET.fullmatch(bucket) or not folder.is_dir():
            raise NotFound(f"there is no bucket {bucket}", bucket=bucket)
        return self._opened.setdefault(bucket, FileObjects(folder, functools.partial(self.spool.add, bucket)))

    def owner(self, bucket: str) -> str:
        """A folder names nobody: the operator's command says whose it is. Raises NotFound if there is no bucket."""
        self(bucket)
        return ""

    def adopt(self, bucket: str, account: str) -> None:
        """Every bucket of the folder tells of new objects. Raises NotFound if there is no bucket."""
        self(bucket)

    def create(self, bucket: str) -> None:
        """Makes the bucket; harmless if it exists. Raises Invalid on a name that S3 would refuse."""
        if not _BUCKET.fullmatch(bucket) or ".." in bucket:
            raise Invalid("bucket", "a bucket's name has 3–63 of a–z, 0–9, - and single dots, none of - . at its ends")
        (self._folder / bucket).mkdir(mode=0o700, exist_ok=True)
        sync_folder(str(self._folder))


def create_bucket(settings: Settings, bucket: str) -> None:
    """Makes a bucket in the data folder, for the operator's command. Raises Invalid on a bad name."""
    Buckets(open_data_folder(settings)).create(bucket)


@contextmanager
def visited(settings: Settings, folder: Path) -> Iterator[str]:
    """The name of a bucket that leads to a folder elsewhere, as a source of copies, for a while.

    Linked, its files count as written: so whatever others wrote there is on the disk first.
    """
    os.sync()
    name = f"visited-{new_id().lower()}"
    link = settings.data.resolve() / "buckets" / name
    link.symlink_to(folder, target_is_directory=True)
    try:
        yield name
    finally:
        link.unlink()


def open_data_folder(settings: Settings) -> Path:
    """The data folder, made for the owner alone if it is missing."""
    data = settings.data.resolve()
    made = not data.exists()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data / "secrets").mkdir(mode=0o700, exist_ok=True)
    if made:
        sync_folder(str(data.parent))
    return data


async def _in_line(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return function(*args, **kwargs)


class _Threads:
    """Runs functions in threads of its own, with the caller's context."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_WRITER_THREADS, thread_name_prefix="write")
        self.close = functools.partial(self._pool.shutdown, wait=True)

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        call = functools.partial(contextvars.copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)


def open_embedded_stack(settings: Settings, clock: Clock) -> Stack:
    """Opens the data folder, made if absent. Several processes may hold it open at once."""
    data = open_data_folder(settings)
    buckets = Buckets(data)
    buckets.create(settings.bucket)
    table, audit = SqliteTable(data / "table.sqlite3", clock), SqliteTable(data / "audit.sqlite3", clock)
    queues = SqliteQueues(data / "queues.sqlite3", clock)
    threads = _Threads()

    def close() -> None:
        threads.close()
        for store in (queues, audit, table):
            store.close()

    return Stack(
        settings=settings,
        table=VersionedTable(table),
        audit=VersionedTable(audit),
        objects=buckets,
        ownership=buckets,
        queues=queues,
        read=_in_line,
        write=threads,
        close=close,
        exact=True,
        clock=clock,
    )
