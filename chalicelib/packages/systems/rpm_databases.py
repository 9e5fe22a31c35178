"""rpm's three formats of databases, read only as far as it takes to come by every package's header.

    Packages       Berkeley DB, hash     pages; a value lies in a chain of overflow pages
    Packages.db    ndb (SUSE)            slots that point at blobs
    rpmdb.sqlite   SQLite                a tree of pages, in `sqlite_pages.py`

All work on a buffer of the whole file, a memory map where it is large, and look at each page once: a file that points
at itself costs what its size costs. What is wrong ends the reading with Unreadable; what came before it counts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from ..reading import Unreadable
from .sqlite_pages import LARGEST_ROW, Buffer, rows_of
from .sqlite_pages import MAGIC as SQLITE_MAGIC

_BDB_MAGIC: Final = 0x00061561
_BDB_PAGES: Final = frozenset(1 << shift for shift in range(9, 17))
_BDB_HEADER: Final = 26
_BDB_META: Final = 72
_HASH_PAGES: Final = frozenset({2, 13})
_OVERFLOW: Final = 7
_OFF_PAGE: Final = 3
_OFF_PAGE_BYTES: Final = 12

_NDB_MAGIC: Final = b"RpmP"
_NDB_SLOT: Final = struct.Struct("<4sIII")
_NDB_BLOCK: Final = 16
_NDB_PAGE: Final = 4096
_NDB_MOST_PAGES: Final = 2048


def headers(data: Buffer) -> Iterator[bytes]:
    """Of every package, in whichever format. Raises Unreadable, perhaps after some."""
    if data[: len(SQLITE_MAGIC)] == SQLITE_MAGIC:
        yield from rows_of(data, "Packages")
    elif data[: len(_NDB_MAGIC)] == _NDB_MAGIC:
        yield from _ndb(data)
    elif len(data) >= _BDB_META:
        yield from _bdb(data)
    else:
        raise Unreadable("no rpm database")


def _ndb(data: Buffer) -> Iterator[bytes]:
    if len(data) < 2 * _NDB_SLOT.size:
        raise Unreadable("an rpm database that is cut off")
    _, version, _, pages = _NDB_SLOT.unpack_from(data)
    end = pages * _NDB_PAGE
    if version != 0 or not 0 < pages <= _NDB_MOST_PAGES or end > len(data):
        raise Unreadable("an rpm database of an unknown version or size")
    left = len(data)
    # The first two slots are the file's own header.
    for magic, package, block, _ in _NDB_SLOT.iter_unpack(data[2 * _NDB_SLOT.size : end]):
        if magic != b"Slot":
            raise Unreadable("an rpm database with a broken slot")
        if not package:
            continue
        begin = block * _NDB_BLOCK
        if begin + _NDB_SLOT.size > len(data):
            raise Unreadable("an rpm database that is cut off")
        kind, number, _, length = _NDB_SLOT.unpack_from(data, begin)
        begin += _NDB_SLOT.size
        left -= length if length <= LARGEST_ROW else len(data) + 1
        if kind != b"BlbS" or number != package or begin + length > len(data) or left < 0:
            raise Unreadable("an rpm database with a broken package")
        yield bytes(data[begin : begin + length])


def _bdb(data: Buffer) -> Iterator[bytes]:
    order = next((each for each in "<>" if struct.unpack_from(f"{each}I", data, 12)[0] == _BDB_MAGIC), "")
    if not order:
        raise Unreadable("no rpm database")
    (page_size,) = struct.unpack_from(f"{order}I", data, 20)
    (last,) = struct.unpack_from(f"{order}I", data, 32)
    if page_size not in _BDB_PAGES or data[24] != 0:
        raise Unreadable("an rpm database with pages of a strange size, or encrypted")
    pages = _BdbPages(data, order, page_size)
    for page in range(min(last + 1, pages.count)):
        yield from pages.values(page)
    if last >= pages.count:
        raise Unreadable("an rpm database that is cut off")


class _BdbPages:
    def __init__(self, data: Buffer, order: str, size: int) -> None:
        self._data = data
        self._size = size
        self.count = len(data) // size
        # A page belongs to one chain: whoever follows more than there are goes round.
        self._left = self.count
        self._u16 = struct.Struct(f"{order}H")
        self._u32 = struct.Struct(f"{order}I")

    def values(self, page: int) -> Iterator[bytes]:
        """Of a page of the hash; keys and values take turns in its index. Small values are not packages."""
        begin = page * self._size
        if self._data[begin + 25] not in _HASH_PAGES:
            return
        (entries,) = self._u16.unpack_from(self._data, begin + 20)
        if entries % 2 or _BDB_HEADER + 2 * entries > self._size:
            raise Unreadable("an rpm database with a broken index of a page")
        for index in range(1, entries, 2):
            (offset,) = self._u16.unpack_from(self._data, begin + _BDB_HEADER + 2 * index)
            if offset + _OFF_PAGE_BYTES <= self._size and self._data[begin + offset] == _OFF_PAGE:
                yield self._chain(self._u32.unpack_from(self._data, begin + offset + 4)[0])

    def _chain(self, page: int) -> bytes:
        parts: list[bytes] = []
        while page:
            self._left -= 1
            if len(parts) * self._size > LARGEST_ROW:
                raise Unreadable("an rpm database with a package of more than any has")
            begin = page * self._size
            if self._left < 0 or page >= self.count or self._data[begin + 25] != _OVERFLOW:
                raise Unreadable("an rpm database whose pages do not follow each other")
            (page,) = self._u32.unpack_from(self._data, begin + 16)
            (used,) = self._u16.unpack_from(self._data, begin + 22)
            end = self._size if page else min(_BDB_HEADER + used, self._size)
            parts.append(bytes(self._data[begin + _BDB_HEADER : begin + end]))
        return b"".join(parts)
