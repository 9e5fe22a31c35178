"""Programs of Windows and macOS: images carry some to hand them out."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from ..reading import Unreadable
from .executables import LARGEST_SECTION, Executable, Section, bytes_at, rows, text_at

PE: Final = b"MZ"
# Of 32 and 64 bits, in both orders of bytes.
MACH: Final = {
    b"\xfe\xed\xfa\xce": (False, ">"),
    b"\xfe\xed\xfa\xcf": (True, ">"),
    b"\xce\xfa\xed\xfe": (False, "<"),
    b"\xcf\xfa\xed\xfe": (True, "<"),
}
# Initialised data that may be read and written, whatever its alignment is.
_PE_DATA, _PE_ALIGNMENT = 0xC0000040, 0x00F00000
_SEGMENT, _WIDE_SEGMENT = 0x1, 0x19
_READ_WRITE: Final = 3
_LARGEST_COMMANDS: Final = 1024 * 1024


def read_pe(content: BinaryIO) -> Executable | None:
    """Addresses count from where the program asks to be loaded."""
    (header_at,) = struct.unpack_from("<I", bytes_at(content, 0, 64).ljust(64, b"\0"), 60)
    header = bytes_at(content, header_at, 24)
    if len(header) < 24 or not header.startswith(b"PE\0\0"):
        return None
    _, count, _, symbols_at, symbols, optional_size, _ = struct.unpack_from("<HHIIIHH", header, 4)
    optional = bytes_at(content, header_at + 24, optional_size)
    if len(optional) < 32:
        return None
    is_wide = optional.startswith(b"\x0b\x02")
    base = struct.unpack_from("<Q", optional, 24)[0] if is_wide else struct.unpack_from("<I", optional, 28)[0]
    # Names of more than eight letters stand behind the symbols.
    names = bytes_at(content, symbols_at + 18 * symbols, LARGEST_SECTION) if symbols_at else b""
    sections = []
    for row in rows(content, header_at + 24 + optional_size, 40, count, 40):
        raw_name, memory, address, size, offset, *_, flags = struct.unpack("<8s4I2I2HI", row)
        name = raw_name.rstrip(b"\0").decode("ascii", "replace")
        if name.startswith("/") and name[1:].isdecimal():
            name = text_at(names, int(name[1:]))
        data = bool(address and size) and flags & ~_PE_ALIGNMENT == _PE_DATA
        sections.append(Section(name, 0, base + address, memory, offset, size, writable_data=data))
    return Executable(content, sections, sections, is_wide=is_wide)


def read_mach(content: BinaryIO) -> Executable | None:
    """Of one machine: files for several at once are left out."""
    start = bytes_at(content, 0, 32)
    is_wide, order = MACH[start[:4]]
    if len(start) < 32:
        return None
    count, size = struct.unpack_from(order + "II", start, 16)
    commands = bytes_at(content, 32 if is_wide else 28, min(size, _LARGEST_COMMANDS))
    sections: list[Section] = []
    segments: list[Section] = []
    for kind, command in _commands(commands, count, order):
        if kind == (_WIDE_SEGMENT if is_wide else _SEGMENT):
            segment, own = _mach_segment(command, is_wide, order)
            segments.append(segment)
            sections += own
    return Executable(content, sections, segments, is_wide=is_wide, order=order)


def _commands(commands: bytes, count: int, order: str) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(count):
        if at + 8 > len(commands):
            raise Unreadable("its tables lie outside of it")
        kind, size = struct.unpack_from(order + "II", commands, at)
        if size < 8 or at + size > len(commands):
            raise Unreadable("its tables make no sense")
        yield kind, commands[at : at + size]
        at += size


def _mach_segment(command: bytes, is_wide: bool, order: str) -> tuple[Section, list[Section]]:
    layout = struct.Struct(order + ("16s4Q4I" if is_wide else "16s4I4I"))
    if len(command) < 8 + layout.size:
        raise Unreadable("its tables make no sense")
    raw_name, address, memory, offset, size, most, first, count, _ = layout.unpack_from(command, 8)
    name = raw_name.rstrip(b"\0").decode("ascii", "replace")
    data = bool(address and size) and most == first == _READ_WRITE
    # Nothing is ever loaded where a pointer to nothing points.
    segment = Section(name, 0, address, memory, offset, 0 if name == "__PAGEZERO" else size, writable_data=data)
    row = struct.Struct(order + ("16s16x2QI28x" if is_wide else "16s16x2II24x"))
    sections = []
    at = 8 + layout.size
    for _ in range(min(count, (len(command) - at) // row.size)):
        raw_name, address, size, offset = row.unpack_from(command, at)
        name = raw_name.rstrip(b"\0").decode("ascii", "replace")
        sections.append(Section(name, 0, address, size, offset, size))
        at += row.size
    return segment, sections
