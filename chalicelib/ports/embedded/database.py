"""One SQLite file in WAL mode: a reader per thread, one writer for the process, durable commits in groups."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from chalicelib.kernel.errors import Unavailable
from chalicelib.ports.table import OutcomeUnknown

from .durability import Barrier, end_process
from .folders import sync_folder

T = TypeVar("T")

# Other programs (a backup, the sqlite3 shell) may hold SQLite's own lock; our processes queue at the lock file.
BUSY_TIMEOUT_S: Final = 10.0
# About 1500 pages: what a checkpoint copies in a few milliseconds, and a restart reads in as many.
CHECKPOINT_AFTER_BYTES: Final = 6 * 1024 * 1024
# What a commit adds to the WAL for every small change: a leaf of the table, of an index, and what lies above them.
_COMMIT_BYTES: Final = 4 * 4096
# Past this many frames in the WAL a checkpoint is finished with writers held up, or it would grow for ever under load.
FRAMES_LIMIT: Final = 4000


class _Connection(sqlite3.Connection):
    """One that can be referred to weakly: a thread's connection ends with the thread."""


class Database:
    """Opens the file, made if absent. `schema` is run at every start and has to be harmless when repeated.

    Reads are consistent: each statement sees every commit, of any thread or process, that was complete before it.
    Raises Unavailable where the file is locked for too long or the disk is full.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        end: Callable[[str], NoReturn] = end_process,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self._path = path
        self._end = end
        self._local = threading.local()
        self._opened: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._mutex = threading.Lock()
        self._closed = False
        _make_private(path)
        self._lock_file = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with self._alone():
            self._writer = self._connect()
            self._writer.execute("PRAGMA journal_mode=WAL")
            self._writer.executescript(f"BEGIN IMMEDIATE; {schema}; COMMIT")
        # A read after the schema: from here on the connection holds its lock, and the WAL stays.
        self._writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        self._barrier = Barrier(Path(f"{path}-wal"), end, sync)
        sync_folder(str(path.parent))
        self._barrier.wait(self._barrier.committed())
        self._watcher = self._connect().cursor()
        self._watcher_lock = threading.Lock()
        self._new_bytes = 0
        self._checkpoint_wanted = threading.Event()
        self._checkpointer = threading.Thread(
            target=self._checkpoints, args=(self._connect(),), name=f"checkpoint-{path.stem}", daemon=True
        )
        self._checkpointer.start()

    def reader(self) -> sqlite3.Cursor:
        """This thread's cursor for statements that are read to their end at once."""
        try:
            return self._local.cursor  # type: ignore[no-any-return]
        except AttributeError:
            cursor = self._local.cursor = self._connect().cursor()
            return cursor

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Cursor]:
        """A cursor of this thread that may be left half read: closing it ends the read it holds open."""
        cursor = self.reader().connection.cursor()
        try:
            yield cursor
        except sqlite3.Error as error:
            self.refuse(error)
        finally:
            cursor.close()

    def write(self, change: Callable[[sqlite3.Cursor], T], *, relaxed: bool = False) -> T:
        """Runs `change` in a transaction that excludes every other writer; it may raise to undo it all."""
        with self._alone():
            cursor = self._writer.cursor()
            try:
                cursor.execute("BEGIN IMMEDIATE")
                answer = change(cursor)
            except sqlite3.Error as error:
                self._undo()
                self.refuse(error)
            except BaseException:
                self._undo()
                raise
            self._commit(cursor)
            ticket = self._barrier.committed()
            self._new_bytes += _COMMIT_BYTES
            if self._new_bytes >= CHECKPOINT_AFTER_BYTES:
                self._checkpoint_wanted.set()
        if not relaxed:
            self._barrier.wait(ticket)
        return answer

    def weigh(self, size_bytes: int) -> None:
        """Called by a `change` that writes bodies of this size: the WAL grows by as much."""
        self._new_bytes += size_bytes

    def epoch(self) -> int:
        """Changes with every commit of any connection and process, before that commit can be read.

        Asked of one connection alone that never writes: the numbers of two connections are not comparable.
        """
        with self._watcher_lock:
            return self._watcher.execute("PRAGMA data_version").fetchone()[0]  # type: ignore[no-any-return]

    def refuse(self, error: sqlite3.Error) -> NoReturn:
        """Raises what a caller of the ports understands in the place of SQLite's error."""
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith("SQLITE_IOERR") and "FSYNC" in name:
            self._end(str(error))
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")):
            raise Unavailable(f"the table did not answer: {error}") from error
        raise error

    def close(self) -> None:
        """Ends every connection; the last one of all processes moves the WAL into the file. Repeating is harmless."""
        if self._closed:
            return
        self._closed = True
        self._checkpoint_wanted.set()
        self._checkpointer.join()
        with self._mutex:
            self._barrier.close()
            for connection in list(self._opened):
                connection.close()
            os.close(self._lock_file)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Excludes the writers of this process (mutex) and of others (file lock: it wakes the next at once, where
        SQLite's own lock has to be polled). The kernel releases it when a process dies."""
        with self._mutex:
            if self._closed:
                raise Unavailable("the table is closed")
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def _connect(self) -> _Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
            cached_statements=256,
        )
        connection.execute("PRAGMA synchronous=NORMAL")  # see Barrier
        connection.execute("PRAGMA wal_autocheckpoint=0")  # see _checkpoints
        connection.execute("PRAGMA cache_size=-2000")  # KiB, for each thread; the system's cache holds the file
        self._opened.add(connection)
        return connection

    def _commit(self, cursor: sqlite3.Cursor) -> None:
        try:
            cursor.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            # Not visible now; but if this process dies before the next commit, its frames may be found whole.
            raise OutcomeUnknown(f"the table did not say whether it wrote: {error}") from error

    def _undo(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def _checkpoints(self, connection: sqlite3.Connection) -> None:
        """Copies the WAL into the file beside the writers, so that no commit ever waits for it.

        A checkpoint that runs beside writers never reaches the WAL's end, and only then it starts over; if it grew
        long all the same, the last few frames are copied while writers wait.
        """
        while True:
            self._checkpoint_wanted.wait()
            self._checkpoint_wanted.clear()
            if self._closed:
                return
            self._new_bytes = 0
            with contextlib.suppress(Unavailable):  # the next wish to checkpoint tries again
                try:
                    self._checkpoint(connection)
                except sqlite3.Error as error:
                    self.refuse(error)

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if frames > FRAMES_LIMIT:
            with self._alone():
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def _make_private(path: Path) -> None:
    """Makes the file for the owner alone; SQLite's files beside it follow its example. One that is there is left
    alone: closing any descriptor of it would release SQLite's locks on it."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
