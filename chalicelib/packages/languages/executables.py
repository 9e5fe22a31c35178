"""Programs as the system loads them: ELF, and Windows' format too, since images carry programs for other machines.

Only tables are read, and what is asked for; a program of 200 MB costs a few reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from chalicelib.layers.entries import MIB

from ..reading import Unreadable

ELF: Final = b"\x7fELF"
PE: Final = b"MZ"
# Go's and Rust's own have about 40; those with a section for each function, some 10 000.
_MOST_SECTIONS: Final = 100_000
_LARGEST_NAMES: Final = 16 * MIB
# Of a section that is read whole.
LARGEST_SECTION: Final = 64 * MIB

_EXECUTABLE, _SHARED = 2, 3
_LOAD: Final = 1
_NO_BITS: Final = 8
_X, _W = 1, 2
# PE: initialised data that may be read and written, whatever its alignment is.
_PE_DATA: Final = 0xC0000040
_PE_ALIGNMENT: Final = 0x00F00000


@dataclass(frozen=True, slots=True)
class Section:
    """address and memory: where it is loaded; offset and size_bytes: where it lies. link: of a table, to its texts."""

    name: str
    kind: int
    address: int
    memory_bytes: int
    offset: int
    size_bytes: int
    link: int = 0
    writable_data: bool = False


class Executable(Protocol):
    """sections of the file, and those parts of it that are loaded.

    wide: of 64 bits. order: of bytes, as struct has it
    """

    sections: Sequence[Section]
    segments: Sequence[Section]
    wide: bool
    order: str

    def bytes_at(self, offset: int, size_bytes: int) -> bytes: ...


@dataclass(slots=True)
class _Image:
    content: BinaryIO
    sections: Sequence[Section]
    segments: Sequence[Section]
    wide: bool
    order: str

    def bytes_at(self, offset: int, size_bytes: int) -> bytes:
        """As much of it as there is."""
        return _at(self.content, offset, size_bytes)


def open_executable(content: BinaryIO) -> Executable | None:
    """None for what is no program: objects that a linker still needs, core dumps, anything else.

    Raises Unreadable for one whose tables lie outside of it.
    """
    start = _at(content, 0, 64)
    if start.startswith(ELF):
        return _elf(content, start)
    if start.startswith(PE):
        return _pe(content, start)
    return None


def section_named(program: Executable, *names: str) -> Section | None:
    """The first of the first name that there is."""
    return next((each for name in names for each in program.sections if each.name == name), None)


def whole(program: Executable, section: Section) -> bytes:
    if section.kind == _NO_BITS:
        return b""
    if section.size_bytes > LARGEST_SECTION:
        raise Unreadable(f"section {section.name} has more than {LARGEST_SECTION} bytes")
    data = program.bytes_at(section.offset, section.size_bytes)
    if len(data) != section.size_bytes:
        raise Unreadable(f"section {section.name} is truncated")
    return data


def loaded(program: Executable, address: int, size_bytes: int) -> bytes:
    """What lies in memory at an address, as far as its segment goes."""
    for segment in program.segments:
        if segment.address <= address < segment.address + segment.size_bytes:
            skipped = address - segment.address
            return program.bytes_at(segment.offset + skipped, min(size_bytes, segment.size_bytes - skipped))
    return b""


def _at(content: BinaryIO, offset: int, size_bytes: int) -> bytes:
    if offset < 0 or size_bytes <= 0 or offset >= 1 << 62:
        return b""
    content.seek(offset)
    return content.read(min(size_bytes, LARGEST_SECTION))


def _elf(content: BinaryIO, start: bytes) -> Executable | None:
    if len(start) < 52 or start[4] not in (1, 2) or start[5] not in (1, 2):
        return None
    wide, order = start[4] == 2, "<" if start[5] == 1 else ">"
    if wide and len(start) < 64:
        return None
    layout = "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"
    fields = struct.unpack_from(order + layout, start, 16)
    kind, program_at, section_at = fields[0], fields[4], fields[5]
    program_size, program_count, section_size, section_count, names_at = fields[8:13]
    if kind not in (_EXECUTABLE, _SHARED):
        return None
    segments = [
        each
        for row in _rows(content, program_at, program_size, program_count, 56 if wide else 32)
        if (each := _elf_segment(row, wide, order))
    ]
    rows = list(_elf_section_rows(content, (section_at, section_size, section_count), wide, order))
    if rows and names_at == 0xFFFF:
        names_at = rows[0][6]
    names = b""
    if names_at < len(rows):
        _, _, _, _, offset, size, _ = rows[names_at]
        names = _at(content, offset, min(size, _LARGEST_NAMES))
    sections = [
        Section(_text(names, name), kind, address, size, offset, 0 if kind == _NO_BITS else size, link)
        for name, kind, _, address, offset, size, link in rows
    ]
    return _Image(content, sections, segments, wide, order)


def _elf_section_rows(
    content: BinaryIO, table: tuple[int, int, int], wide: bool, order: str
) -> Iterator[tuple[int, ...]]:
    """name, kind, flags, address, offset, size, link. Too many to count in 16 bits are counted in the first one."""
    offset, size, count = table
    if not offset:
        return
    layout = struct.Struct(order + ("IIQQQQI" if wide else "IIIIIII"))
    least = 64 if wide else 40
    if count == 0:
        first = _at(content, offset, least)
        if len(first) < least:
            raise Unreadable("its sections lie outside of it")
        count = layout.unpack_from(first)[5]
    for row in _rows(content, offset, size, count, least):
        yield layout.unpack_from(row)


def _rows(content: BinaryIO, offset: int, size: int, count: int, least: int) -> Iterator[bytes]:
    if not count or not offset:
        return
    if size < least or count > _MOST_SECTIONS:
        raise Unreadable("its tables make no sense")
    table = _at(content, offset, size * count)
    if len(table) != size * count:
        raise Unreadable("its tables lie outside of it")
    for number in range(count):
        yield table[number * size : (number + 1) * size]


def _elf_segment(row: bytes, wide: bool, order: str) -> Section | None:
    if wide:
        kind, flags, offset, address, _, size, memory = struct.unpack_from(order + "IIQQQQQ", row)
    else:
        kind, offset, address, _, size, memory, flags = struct.unpack_from(order + "IIIIIII", row)
    if kind != _LOAD:
        return None
    return Section("", kind, address, memory, offset, size, writable_data=flags & (_X | _W) == _W)


def _pe(content: BinaryIO, start: bytes) -> Executable | None:
    """Addresses count from where the program asks to be loaded."""
    (header_at,) = struct.unpack_from("<I", start.ljust(64, b"\0"), 60)
    header = _at(content, header_at, 24)
    if len(header) < 24 or not header.startswith(b"PE\0\0"):
        return None
    _, count, _, symbols_at, symbols, optional_size, _ = struct.unpack_from("<HHIIIHH", header, 4)
    optional = _at(content, header_at + 24, optional_size)
    if len(optional) < 32:
        return None
    wide = optional.startswith(b"\x0b\x02")
    base = struct.unpack_from("<Q", optional, 24)[0] if wide else struct.unpack_from("<I", optional, 28)[0]
    # Names of more than eight letters stand behind the symbols.
    names = _at(content, symbols_at + 18 * symbols, LARGEST_SECTION) if symbols_at else b""
    sections = []
    for row in _rows(content, header_at + 24 + optional_size, 40, count, 40):
        raw_name, memory, address, size, offset, *_, flags = struct.unpack("<8s4I2I2HI", row)
        name = raw_name.rstrip(b"\0").decode("ascii", "replace")
        if name.startswith("/") and name[1:].isdigit():
            name = _text(names, int(name[1:]))
        data = bool(address and size) and flags & ~_PE_ALIGNMENT == _PE_DATA
        sections.append(Section(name, 0, base + address, memory, offset, size, writable_data=data))
    return _Image(content, sections, sections, wide, "<")


def _text(names: bytes, at: int) -> str:
    end = names.find(b"\0", at)
    return names[at : end if end >= 0 else len(names)].decode("utf-8", "replace")
