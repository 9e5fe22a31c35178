"""ELF, the format of Linux' programs: of 32 and 64 bits, in both orders of bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from chalicelib.layers.entries import MIB

from ..reading import Unreadable
from .executables import Executable, Section, bytes_at, rows, text_at

MAGIC: Final = b"\x7fELF"
SYMBOLS: Final = 2
_LARGEST_NAMES: Final = 16 * MIB
# What is run, or loaded by what is; objects for a linker and core dumps are others.
_KINDS: Final = (2, 3)
_LOAD, _NO_BITS = 1, 8
_X, _W = 1, 2
_MANY: Final = 0xFFFF


def read_elf(content: BinaryIO) -> Executable | None:
    """None for what is not loaded by a system. Raises Unreadable for one whose tables lie outside of it."""
    start = bytes_at(content, 0, 64)
    if len(start) < 52 or start[4] not in (1, 2) or start[5] not in (1, 2):
        return None
    wide, order = start[4] == 2, "<" if start[5] == 1 else ">"
    if wide and len(start) < 64:
        return None
    fields = struct.unpack_from(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), start, 16)
    kind, segments_at, sections_at = fields[0], fields[4], fields[5]
    segment_size, segment_count, section_size, section_count, names_at = fields[8:13]
    if kind not in _KINDS:
        return None
    segments = [
        segment
        for row in rows(content, segments_at, segment_size, segment_count, 56 if wide else 32)
        if (segment := _segment(row, wide, order))
    ]
    table = list(_sections(content, (sections_at, section_size, section_count), wide, order))
    if table and names_at == _MANY:
        names_at = table[0][6]
    names = b""
    if names_at < len(table):
        names = bytes_at(content, table[names_at][4], min(table[names_at][5], _LARGEST_NAMES))
    sections = [
        Section(text_at(names, name), kind, address, size, offset, 0 if kind == _NO_BITS else size, link)
        for name, kind, _, address, offset, size, link in table
    ]
    return Executable(content, sections, segments, is_elf=True, is_wide=wide, order=order)


def _sections(content: BinaryIO, table: tuple[int, int, int], wide: bool, order: str) -> Iterator[tuple[int, ...]]:
    """name, kind, flags, address, offset, size, link. Too many to count in 16 bits are counted in the first one."""
    offset, size, count = table
    if not offset:
        return
    layout = struct.Struct(order + ("IIQQQQI" if wide else "IIIIIII"))
    least = 64 if wide else 40
    if count == 0:
        first = bytes_at(content, offset, least)
        if len(first) < least:
            raise Unreadable("its tables lie outside of it")
        count = layout.unpack_from(first)[5]
    for row in rows(content, offset, size, count, least):
        yield layout.unpack_from(row)


def _segment(row: bytes, wide: bool, order: str) -> Section | None:
    if wide:
        kind, flags, offset, address, _, size, memory = struct.unpack_from(order + "IIQQQQQ", row)
    else:
        kind, offset, address, _, size, memory, flags = struct.unpack_from(order + "IIIIIII", row)
    if kind != _LOAD:
        return None
    return Section("", kind, address, memory, offset, size, writable_data=flags & (_X | _W) == _W)
