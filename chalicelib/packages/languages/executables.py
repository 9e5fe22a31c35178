"""Programs as systems load them. Only their tables are read, and what is asked for: one of 200 MB costs a few reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from chalicelib.layers.entries import MIB

from ..reading import Unreadable

# Of a section that is read whole.
LARGEST_SECTION: Final = 64 * MIB
# Go's and Rust's own have about 40; those with a section for each function, some 10 000.
_MOST_ROWS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Section:
    """Of the file, or of what is loaded.

    address and memory_bytes   where it is loaded
    offset and size_bytes      where it lies; none of it lies anywhere if it is empty at first
    link                       the section that has a table's texts
    writable_data              neither code nor constants
    """

    name: str
    kind: int
    address: int
    memory_bytes: int
    offset: int
    size_bytes: int
    link: int = 0
    writable_data: bool = False


@dataclass(slots=True)
class Executable:
    """sections of the file, and those parts of it that are loaded. order: of bytes, as struct has it."""

    content: BinaryIO
    sections: Sequence[Section]
    segments: Sequence[Section]
    is_elf: bool = False
    is_wide: bool = False
    order: str = "<"

    def section(self, *names: str) -> Section | None:
        """The first of the first name that there is."""
        return next((each for name in names for each in self.sections if each.name == name), None)

    def whole(self, section: Section) -> bytes:
        if section.size_bytes > LARGEST_SECTION:
            raise Unreadable(f"section {section.name} has more than {LARGEST_SECTION} bytes")
        data = bytes_at(self.content, section.offset, section.size_bytes)
        if len(data) != section.size_bytes:
            raise Unreadable(f"section {section.name} is truncated")
        return data

    def loaded(self, address: int, size_bytes: int) -> bytes:
        """What lies in memory at an address, as far as its segment goes."""
        for segment in self.segments:
            if segment.address <= address < segment.address + segment.size_bytes:
                skipped = address - segment.address
                return bytes_at(self.content, segment.offset + skipped, min(size_bytes, segment.size_bytes - skipped))
        return b""


def bytes_at(content: BinaryIO, offset: int, size_bytes: int) -> bytes:
    """As much of it as there is."""
    if offset < 0 or size_bytes <= 0 or offset >= 1 << 62:
        return b""
    content.seek(offset)
    return content.read(min(size_bytes, LARGEST_SECTION))


def rows(content: BinaryIO, offset: int, size: int, count: int, least: int) -> Iterator[bytes]:
    """Of a table. least: bytes that a row has to have."""
    if not count or not offset:
        return
    if size < least or count > _MOST_ROWS:
        raise Unreadable("its tables make no sense")
    table = bytes_at(content, offset, size * count)
    if len(table) != size * count:
        raise Unreadable("its tables lie outside of it")
    for number in range(count):
        yield table[number * size : (number + 1) * size]


def text_at(names: bytes, at: int) -> str:
    end = names.find(b"\0", at)
    return names[at : end if end >= 0 else len(names)].decode("utf-8", "replace")
