"""One fdatasync for all commits that wait for one."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

# BSD's EX_IOERR: whoever restarts the service can tell a lost disk from a crash.
EXIT_DISK_LOST: Final = 74


def end_process(reason: str) -> NoReturn:
    """After a failed sync nobody knows what the disk holds, and a second sync would report success all the same
    (the kernel forgets dirty pages it failed to write). Only a restart, which reads the disk again, is honest."""
    sys.stderr.write(f"failed to make writes durable: {reason}; ending, so that a restart reads what the disk holds\n")
    sys.stderr.flush()
    os._exit(EXIT_DISK_LOST)


class Barrier:
    """Makes a WAL's commits durable, as `synchronous=FULL` does, but once for all that wait.

        thread A   commit 1 ── fdatasync ────────┐ covers 1
        thread B      commit 2 ─ waits ──────────┴ fdatasync ──┐ covers 2 and 3
        thread C         commit 3 ─ waits ─────────────────────┴ covered, returns

    Why it equals FULL. With `synchronous=FULL` SQLite calls fdatasync on the WAL after the frames of a commit; so do
    we, on the same file, and answer only after a sync that began when the commit was complete. With NORMAL, which is
    what the connections run with, SQLite itself still syncs the WAL before a checkpoint copies from it, the database
    before the WAL may start over, and the new header of a WAL that starts over: a commit that was checkpointed before
    its barrier is on the disk already. The file stays the same inode while a connection is open (only the last one
    to close removes it), and this class ends the process if it finds it gone.
    What differs: others see a commit up to one sync before it is durable. Whatever they commit upon it lies behind it
    in the same file.
    """

    def __init__(
        self, wal: Path, end: Callable[[str], NoReturn] = end_process, sync: Callable[[int], None] = os.fdatasync
    ) -> None:
        self._descriptor = os.open(wal, os.O_RDWR | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._end = end
        self._sync_file = sync
        self._committed = 0
        self._durable = 0
        self.syncs = 0

    def committed(self) -> int:
        """Counts a commit; answers its ticket. Called by one thread at a time, after the commit is complete."""
        self._committed += 1
        return self._committed

    def wait(self, ticket: int) -> None:
        """Returns when the commit of that ticket, and all before it, are on the disk."""
        with self._lock:
            if self._durable >= ticket:
                return
            covered = self._committed  # read before the sync begins: what is counted later is not covered
            self._sync()
            self._durable = covered

    def _sync(self) -> None:
        try:
            self._sync_file(self._descriptor)
            linked = os.fstat(self._descriptor).st_nlink
        except OSError as error:
            self._end(str(error))
        if not linked:
            self._end("the write-ahead log was removed from under the service")
        self.syncs += 1

    def close(self) -> None:
        """Makes durable what was relaxed, and lets those who still wait go."""
        with self._lock:
            if self._durable < self._committed:
                self._sync()
                self._durable = self._committed
            os.close(self._descriptor)
