"""What an ELF program or library says of what has to be loaded with it: its interpreter and the libraries it needs.

Only what systems go by is read: header, program headers, the dynamic section and the texts that it names. Whatever does
not add up makes a file no ELF; it never makes an error.
Source: System V ABI, chapters 4 and 5; glibc, ld.so(8).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO, Final, NamedTuple

MAGIC: Final = b"\x7fELF"
SMALLEST: Final = 52
# Programs and what they load; objects for a linker and core dumps are others.
_KINDS: Final = (2, 3)
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_END, _NEEDED, _STRINGS, _SONAME, _RPATH, _RUNPATH = 0, 1, 5, 14, 15, 29
# Ten times what the richest programs have.
_MOST_SEGMENTS: Final = 256
_MOST_DYNAMIC_BYTES: Final = 64 * 1024
_MOST_NEEDED: Final = 500
_LONGEST_TEXT: Final = 16 * 1024
_MOST_FOLDERS: Final = 100


class Elf(NamedTuple):
    """
    machine      number of the processor, of 32 or (`wide`) 64 bits: a program loads libraries of its own kind only
    interpreter  what loads it, of a program; "" of a library, or where nothing does
    name         by which a library is known to be loaded already
    folders      where it wants its libraries looked for first; `$ORIGIN` is where it lies itself
    needed       libraries, by name or path, in its order
    """

    machine: int
    wide: bool
    interpreter: str = ""
    name: str = ""
    folders: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()

    def text(self) -> str:
        """For `told`. None of its parts has a line's end in it."""
        kind = f"{self.machine:x} {'w' if self.wide else 'n'}"
        return "\n".join((kind, self.interpreter, self.name, ":".join(self.folders), *self.needed))


def told(text: str) -> Elf:
    kind, interpreter, name, folders, *needed = text.split("\n")
    machine, _, width = kind.partition(" ")
    return Elf(int(machine, 16), width == "w", interpreter, name, _folders(folders), tuple(needed))


class _Broken(Exception):
    """No ELF that a system would load."""


class _Bytes:
    """A file's bytes: what was peeked at, and the whole only where that is not enough."""

    def __init__(self, start: bytes, size: int, content: Callable[[], BinaryIO]) -> None:
        self._start = start
        self._size = size
        self._content = content

    def at(self, offset: int, size: int) -> bytes:
        if offset + size > self._size:
            raise _Broken
        if offset + size <= len(self._start):
            return self._start[offset : offset + size]
        file = self._content()
        file.seek(offset)
        return file.read(size)

    def text(self, offset: int) -> str:
        """Ended by NUL; something that a path or a name can be, or empty."""
        raw = self.at(offset, min(_LONGEST_TEXT, max(0, self._size - offset)))
        end = raw.find(b"\0")
        if end < 0:
            raise _Broken
        return _decoded(raw[:end])


class _Segment(NamedTuple):
    kind: int
    offset: int
    address: int
    size: int


def read_elf(start: bytes, size: int, content: Callable[[], BinaryIO]) -> Elf | None:
    """start: the file's first bytes; more than those are asked of `content` only of what is loaded dynamically.

    None for what is none. Raises what `content` raises.
    """
    if len(start) < SMALLEST or not start.startswith(MAGIC) or start[4] not in (1, 2) or start[5] not in (1, 2):
        return None
    try:
        return _read(_Bytes(start, size, content), wide=start[4] == 2, order="<" if start[5] == 1 else ">")
    except _Broken:
        return None


def _read(data: _Bytes, *, wide: bool, order: str) -> Elf:
    header = struct.Struct(order + ("HHIQQQIHHH" if wide else "HHIIIIIHHH"))
    kind, machine, _, _, at, _, _, _, row_bytes, rows = header.unpack(data.at(16, header.size))
    if kind not in _KINDS:
        raise _Broken
    segments = _segments(data, (at, row_bytes, rows), wide, order)
    interpreter = next((_interpreter(data, each) for each in segments if each.kind == _INTERPRETER), "")
    dynamic = next((each for each in segments if each.kind == _DYNAMIC), None)
    if dynamic is None:
        return Elf(machine, wide, interpreter)
    tags = _tags(data, dynamic, wide, order)
    strings = [value for tag, value in tags if tag == _STRINGS]
    if not strings:
        return Elf(machine, wide, interpreter)
    base = _lies_at(segments, strings[0])

    def texts(wanted: int) -> list[str]:
        return [data.text(base + value) for tag, value in tags if tag == wanted]

    folders = texts(_RUNPATH) or texts(_RPATH)
    needed = tuple(name for name in texts(_NEEDED) if name)
    return Elf(machine, wide, interpreter, "".join(texts(_SONAME)[:1]), _folders(":".join(folders)), needed)


def _segments(data: _Bytes, table: tuple[int, int, int], wide: bool, order: str) -> list[_Segment]:
    at, row_bytes, rows = table
    layout = struct.Struct(order + ("IIQQQQ" if wide else "IIIII"))
    if not 0 < rows <= _MOST_SEGMENTS or not (56 if wide else 32) <= row_bytes <= 256:
        raise _Broken
    raw = data.at(at, row_bytes * rows)
    segments = []
    for number in range(rows):
        fields = layout.unpack_from(raw, number * row_bytes)
        kind, offset, address, size = (
            (fields[0], fields[2], fields[3], fields[5]) if wide else (fields[0], fields[1], fields[2], fields[4])
        )
        segments.append(_Segment(kind, offset, address, size))
    return segments


def _interpreter(data: _Bytes, segment: _Segment) -> str:
    if segment.size > _LONGEST_TEXT:
        raise _Broken
    return _decoded(data.at(segment.offset, segment.size).partition(b"\0")[0])


def _tags(data: _Bytes, dynamic: _Segment, wide: bool, order: str) -> list[tuple[int, int]]:
    layout = struct.Struct(order + ("qQ" if wide else "iI"))
    size = min(dynamic.size, _MOST_DYNAMIC_BYTES)
    tags = []
    for tag, value in layout.iter_unpack(data.at(dynamic.offset, size - size % layout.size)):
        if tag == _END:
            break
        tags.append((tag, value))
    if sum(1 for tag, _ in tags if tag in (_NEEDED, _SONAME, _RPATH, _RUNPATH)) > _MOST_NEEDED:
        raise _Broken
    return tags


def _lies_at(segments: list[_Segment], address: int) -> int:
    for each in segments:
        if each.kind == _LOAD and each.address <= address < each.address + each.size:
            return each.offset + address - each.address
    raise _Broken


def _folders(text: str) -> tuple[str, ...]:
    return tuple(folder for folder in text.split(":", _MOST_FOLDERS)[:_MOST_FOLDERS] if folder)


def _decoded(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as wrong:
        raise _Broken from wrong
    if not text.isprintable():
        raise _Broken
    return text
