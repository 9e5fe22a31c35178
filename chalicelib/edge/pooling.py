"""Counts of several processes that are one service, so that whoever is asked for /metrics answers for all.

    parent    makes the pool before it starts others: a piece of memory without a name (memfd), inherited
    each      takes a slot, locked for as long as it lives, and writes its page there every 2 s
    asked     reads all pages and adds them up

The counts of a process that ended stay: whoever takes its slot goes on with them, so that no sum ever falls. What is
only true of a living process counts while its page is fresh.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from .log import logger

Page = dict[str, Any]

EVERY_S: Final = 2.0
FRESH_S: Final = 15.0
_SLOTS: Final = 64
_SLOT_BYTES: Final = 128 * 1024
_HEAD: Final = struct.Struct("<II")  # length and checksum of the page
# A page that is just being written is read again.
_READS: Final = 5


class Pool:
    """descriptor: of the memory, for a child that is not forked to inherit."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._slot: int | None = None

    @classmethod
    def make(cls) -> Pool:
        descriptor = os.memfd_create("crs-metrics", os.MFD_CLOEXEC)
        os.truncate(descriptor, _SLOTS * _SLOT_BYTES)
        return cls(descriptor)

    def join(self) -> Page | None:
        """Takes a slot for this process; answers the page that its last owner left there. None: a fresh one, or none
        is free, and then this process's counts are not in the sum."""
        for slot in range(_SLOTS):
            with suppress(OSError):
                fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
                self._slot = slot
                return self._read(slot)
        logger.warning("failed to find a place for metrics", slots=_SLOTS)
        return None

    def write(self, page: Page) -> None:
        if self._slot is None:
            return
        text = json.dumps({**page, "at": time.time()}, separators=(",", ":")).encode()
        if len(text) + _HEAD.size <= _SLOT_BYTES:
            whole = _HEAD.pack(len(text), zlib.crc32(text)) + text
            os.pwrite(self.descriptor, whole, self._slot * _SLOT_BYTES)

    def others(self) -> list[Page]:
        """Pages of the other processes, those that ended too."""
        found = (self._read(slot) for slot in range(_SLOTS) if slot != self._slot)
        return [page for page in found if page is not None]

    def _read(self, slot: int) -> Page | None:
        for _ in range(_READS):
            head = os.pread(self.descriptor, _HEAD.size, slot * _SLOT_BYTES)
            length, checksum = _HEAD.unpack(head)
            if not length:
                return None
            text = os.pread(self.descriptor, length, slot * _SLOT_BYTES + _HEAD.size)
            if zlib.crc32(text) == checksum:
                page: Page = json.loads(text)
                return page
        return None


def is_fresh(page: Page) -> bool:
    return float(page["at"]) > time.time() - FRESH_S


class Publishing:
    """Writes this process's page every 2 s, from a thread of its own."""

    def __init__(self, pool: Pool, page: Callable[[], Page]) -> None:
        self._pool = pool
        self._page = page
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        self._pool.write(self._page())
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
            self._pool.write(self._page())

    def _run(self) -> None:
        while not self._ending.wait(EVERY_S):
            self._pool.write(self._page())
