"""The blobs of one table of an SQLite file, by its pages alone: a hostile file meets no database engine.

Source: the published description of SQLite's file format. A write-ahead log beside the file is not read.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Final, TypeAlias

from chalicelib.layers.entries import MIB

from ..reading import Unreadable

MAGIC: Final = b"SQLite format 3\0"
Buffer: TypeAlias = bytes | memoryview | mmap.mmap

# Of one row, and of one package's header in any of the formats: three times the largest known ones.
LARGEST_ROW: Final = 32 * MIB
_FILE_HEADER: Final = 100
_LEAF: Final = 0x0D
_INTERIOR: Final = 0x05
_BYTES_OF_NUMBER: Final = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)
_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")
_BROKEN: Final = "an rpm database with a broken page"
Value: TypeAlias = int | bytes


def rows_of(data: Buffer, table: str) -> Iterator[bytes]:
    """The first blob of each row. Raises Unreadable: broken, or there is no such table."""
    file = _File(data)
    for row in file.rows(1):
        if row[:2] == [b"table", table.encode()] and len(row) > 3 and isinstance(row[3], int):
            for values in file.rows(row[3]):
                yield next((value for value in values if isinstance(value, bytes)), b"")
            return
    raise Unreadable(f"a database without a table {table}")


class _File:
    def __init__(self, data: Buffer) -> None:
        if len(data) < _FILE_HEADER:
            raise Unreadable("an rpm database that is cut off")
        (size,) = _U16.unpack_from(data, 16)
        self._page_size = 65_536 if size == 1 else size
        self._usable = self._page_size - data[20]
        if self._page_size < 512 or self._page_size & (self._page_size - 1) or self._usable < 480:
            raise Unreadable("an rpm database with pages of a strange size")
        self._data = data
        self._count = len(data) // self._page_size
        # Every page is part of one tree or of one row: whoever needs more goes round.
        self._left = self._count

    def rows(self, root: int) -> Iterator[list[Value]]:
        """Numbers as such, texts and blobs as bytes, everything else as 0; in the order of the tree."""
        waiting = [root]
        while waiting:
            page = waiting.pop()
            begin = self._page(page)
            header = begin + (_FILE_HEADER if page == 1 else 0)
            kind = self._data[header]
            (cells,) = _U16.unpack_from(self._data, header + 3)
            pointers = header + (12 if kind == _INTERIOR else 8)
            if kind not in (_LEAF, _INTERIOR) or pointers + 2 * cells > begin + self._page_size:
                raise Unreadable(_BROKEN)
            places = [begin + _U16.unpack_from(self._data, pointers + 2 * cell)[0] for cell in range(cells)]
            if any(place + 4 > begin + self._page_size for place in places):
                raise Unreadable(_BROKEN)
            if kind == _LEAF:
                for place in places:
                    yield _values(self._payload(place, begin + self._usable))
            else:
                children = [_U32.unpack_from(self._data, place)[0] for place in places]
                children.append(_U32.unpack_from(self._data, header + 8)[0])
                waiting.extend(reversed(children))

    def _page(self, page: int) -> int:
        self._left -= 1
        if not 0 < page <= self._count or self._left < 0:
            raise Unreadable(_BROKEN)
        return (page - 1) * self._page_size

    def _payload(self, place: int, end: int) -> bytes:
        """Of a cell of a leaf: what is too long for its page goes on in a chain of others."""
        length, place = _varint(self._data, place)
        _, place = _varint(self._data, place)
        if length > min(len(self._data), LARGEST_ROW):
            raise Unreadable(_BROKEN)
        most = self._usable - 35
        if length <= most:
            return bytes(self._data[place : min(place + length, end)])
        least = (self._usable - 12) * 32 // 255 - 23
        here = least + (length - least) % (self._usable - 4)
        here = here if here <= most else least
        if place + here + 4 > end:
            raise Unreadable(_BROKEN)
        parts = [bytes(self._data[place : place + here])]
        (page,) = _U32.unpack_from(self._data, place + here)
        left = length - here
        while left > 0:
            begin = self._page(page)
            (page,) = _U32.unpack_from(self._data, begin)
            parts.append(bytes(self._data[begin + 4 : begin + min(self._usable, 4 + left)]))
            left -= self._usable - 4
        return b"".join(parts)


def _values(record: bytes) -> list[Value]:
    size, place = _varint(record, 0)
    begin = size
    values: list[Value] = []
    while place < size:
        kind, place = _varint(record, place)
        if kind < len(_BYTES_OF_NUMBER):
            end = begin + _BYTES_OF_NUMBER[kind]
            number = int.from_bytes(record[begin:end], "big", signed=True)
            values.append(number if kind != 9 else 1)
        else:
            end = begin + (kind - 12) // 2
            values.append(record[begin:end])
        if end > len(record):
            raise Unreadable(_BROKEN)
        begin = end
    return values


def _varint(data: Buffer, place: int) -> tuple[int, int]:
    value = 0
    for index in range(9):
        if place + index >= len(data):
            raise Unreadable(_BROKEN)
        byte = data[place + index]
        if index == 8:
            return value << 8 | byte, place + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + index + 1
    raise Unreadable(_BROKEN)
