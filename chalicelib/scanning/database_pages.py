"""A database's pages where they lie in the object store, read as they are asked for.

For processes that join texts to a page of findings: they hold a few MB of a database that has 700.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from chalicelib.ports.objects import Objects

# One read costs a round trip, whatever its size up to here. Pages of the database have 4 KiB.
_BLOCK: Final = 32 * 1024
# 4 MiB; upper levels of the trees are remembered by their reader too.
_MOST_BLOCKS: Final = 128


class ObjectPages:
    """See `advisories.bolt.Pages`. Safe for threads. What is gone raises ObjectMissing."""

    def __init__(self, objects: Objects, key: str, size: int) -> None:
        self.size = size
        self._objects = objects
        self._key = key
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, offset: int, size: int) -> bytes:
        end = min(offset + size, self.size)
        first, last = offset // _BLOCK, (end - 1) // _BLOCK
        if end <= offset:
            return b""
        if last - first > 1:  # A value of many pages is read once and at once.
            return self._fetched(offset, end)
        data = b"".join(self._block(number) for number in range(first, last + 1))
        return data[offset - first * _BLOCK : end - first * _BLOCK]

    def _block(self, number: int) -> bytes:
        with self._lock:
            if number in self._blocks:
                self._blocks.move_to_end(number)
                return self._blocks[number]
        found = self._fetched(number * _BLOCK, min((number + 1) * _BLOCK, self.size))
        with self._lock:
            self._blocks[number] = found
            if len(self._blocks) > _MOST_BLOCKS:
                self._blocks.popitem(last=False)
        return found

    def _fetched(self, start: int, end: int) -> bytes:
        reading = self._objects.get(self._key, start, end)
        try:
            return b"".join(reading.chunks())
        finally:
            reading.close()
