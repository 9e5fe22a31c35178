"""Zip files of strangers: the directory is streamed, members are opened one at a time, and all of it under limits.

The standard library keeps an object for every member; an archive of ten million empty ones would fill a machine.
"""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from chalicelib.layers.entries import MIB

from ..reading import Unreadable

# Five times what the largest archives of classes have.
MOST_MEMBERS: Final = 500_000
# Of one that is read whole, and of all of these: what Maven leaves has a few KB, each line of it many times that in
# memory.
LARGEST_TEXT: Final = MIB
_MOST_TEXT: Final = 64 * MIB
# Of one that is an archive itself.
LARGEST_ARCHIVE: Final = 256 * MIB
# Of such a one, if it is packed: more of it lies in a file without a name.
_MEMORY: Final = 8 * MIB
_STEP: Final = 256 * 1024

_STORED, _DEFLATED = 0, 8
_ENCRYPTED: Final = 0x1
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
# Fields as APPNOTE.TXT 4.3 and 4.4 have them; signatures stand first.
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END64: Final = struct.Struct("<4sQ2H2L4Q")


@dataclass(frozen=True, slots=True)
class Member:
    """offset: of its local header in the file, wherever the archive begins in that."""

    name: str
    method: int
    encrypted: bool
    packed_bytes: int
    size_bytes: int
    offset: int


@dataclass(slots=True)
class Budget:
    """What may still be unpacked, of an archive and of all in it. text_bytes: of members that are no archives."""

    unpacked_bytes: int
    text_bytes: int = _MOST_TEXT
    members: int = MOST_MEMBERS

    @property
    def exhausted(self) -> bool:
        return min(self.unpacked_bytes, self.text_bytes, self.members) < 0

    def unpack(self, size_bytes: int) -> None:
        self.unpacked_bytes -= size_bytes
        if self.unpacked_bytes < 0:
            raise Unreadable("unpacks to too much")

    def read(self, size_bytes: int) -> None:
        self.text_bytes -= size_bytes
        if self.text_bytes < 0:
            raise Unreadable("holds too much text")

    def count(self) -> None:
        self.members -= 1
        if self.members < 0:
            raise Unreadable("has too many members")


class Window(io.RawIOBase):
    """A part of a file, read as one. Whoever reads the file in between disturbs nothing."""

    def __init__(self, content: BinaryIO, start: int, size_bytes: int) -> None:
        super().__init__()
        self._content, self._start, self._size, self._at = content, start, size_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(origin + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = max(min(len(buffer), self._size - self._at), 0)
        self._content.seek(self._start + self._at)
        data = self._content.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class Archive:
    """Raises Unreadable whatever is wrong. budget: shared with the archives inside; without it there are texts only."""

    def __init__(self, content: BinaryIO, budget: Budget | None = None) -> None:
        self._content = content
        self._budget = budget or Budget(unpacked_bytes=_MOST_TEXT)
        self._size = content.seek(0, io.SEEK_END)
        self._start, self._length, self._base = self._directory()

    def members(self) -> Iterator[Member]:
        """In the directory's order. Others may be opened meanwhile."""
        position, end = self._start, self._start + self._length
        buffer, at = b"", 0
        while position < end:
            rest = len(buffer) - at
            if rest < _CENTRAL.size + 3 * _MAX16 and position + rest < end:
                self._content.seek(position)
                buffer, at = self._content.read(min(_STEP + 3 * _MAX16, end - position)), 0
            member, length = self._member(buffer, at)
            self._budget.count()
            position, at = position + length, at + length
            yield member

    def text(self, member: Member, *, cut: bool = False) -> bytes:
        """cut: only the beginning, of one too large to be a text; otherwise that one is Unreadable."""
        if member.size_bytes > LARGEST_TEXT and not cut:
            raise Unreadable(f"{member.name} has more than {LARGEST_TEXT} bytes")
        parts: list[bytes] = []
        size = 0
        for part in self._unpacked(member, member.size_bytes):
            parts.append(part)
            size += len(part)
            self._budget.read(len(part))
            if size >= LARGEST_TEXT:
                break
        return b"".join(parts)[:LARGEST_TEXT]

    def open(self, member: Member) -> BinaryIO:
        """Seekable. One that is merely stored is read where it lies."""
        if member.size_bytes > LARGEST_ARCHIVE:
            raise Unreadable(f"{member.name} has more than {LARGEST_ARCHIVE} bytes")
        if member.method == _STORED:
            return io.BufferedReader(Window(self._content, self._data(member), member.packed_bytes))
        file = tempfile.SpooledTemporaryFile(max_size=_MEMORY)  # noqa: SIM115
        try:
            for data in self._unpacked(member, member.size_bytes):
                file.write(data)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file  # type: ignore[return-value]

    def _unpacked(self, member: Member, most: int) -> Iterator[bytes]:
        position, left = self._data(member), member.packed_bytes
        inflate = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == _DEFLATED else None
        size = 0
        pending = b""
        while left or pending:
            if not pending:
                self._content.seek(position)
                pending = self._content.read(min(_STEP, left))
                if not pending:
                    raise Unreadable(f"{member.name} is truncated")
                position, left = position + len(pending), left - len(pending)
            try:
                data = inflate.decompress(pending, _STEP) if inflate else pending
            except zlib.error as error:
                raise Unreadable(f"{member.name} is corrupt: {error}") from None
            pending = inflate.unconsumed_tail if inflate else b""
            size += len(data)
            self._budget.unpack(len(data))
            if size > most:
                raise Unreadable(f"{member.name} is larger than it says")
            yield data
            if inflate and inflate.eof:
                break
        if size != member.size_bytes:
            raise Unreadable(f"{member.name} is truncated")

    def _data(self, member: Member) -> int:
        """Where its bytes begin: the local header's names may be longer than the directory's."""
        if member.encrypted:
            raise Unreadable(f"{member.name} is encrypted")
        if member.method not in (_STORED, _DEFLATED):
            raise Unreadable(f"{member.name} is packed by method {member.method}, which nobody reads")
        if member.method == _STORED and member.packed_bytes != member.size_bytes:
            raise Unreadable(f"{member.name} has two sizes")
        header = self._at(member.offset, _LOCAL.size)
        signature, *_, name_length, extra_length = _LOCAL.unpack(header)
        if signature != b"PK\x03\x04":
            raise Unreadable(f"{member.name} is not where the directory says")
        start = member.offset + _LOCAL.size + int(name_length) + int(extra_length)
        if start + member.packed_bytes > self._size:
            raise Unreadable(f"{member.name} is truncated")
        return start

    def _at(self, offset: int, length: int) -> bytes:
        if offset < 0 or offset + length > self._size:
            raise Unreadable("the archive is truncated")
        self._content.seek(offset)
        data = self._content.read(length)
        if len(data) != length:
            raise Unreadable("the archive is truncated")
        return data

    def _directory(self) -> tuple[int, int, int]:
        """Where it begins, its length, and what precedes the archive: a script that starts it, for one."""
        tail_start = max(self._size - _END.size - _MAX16, 0)
        tail = self._at(tail_start, self._size - tail_start)
        found = tail.rfind(b"PK\x05\x06", 0, len(tail) - _END.size + 4)
        if found < 0:
            raise Unreadable("no zip file")
        *_, length, offset, _ = _END.unpack_from(tail, found)
        end = tail_start + found
        if length == _MAX32 or offset == _MAX32 or _END.unpack_from(tail, found)[4] == _MAX16:
            end, length, offset = self._directory64(end, int(length), int(offset))
        base = end - int(length) - int(offset)
        # Some tools count from the file's beginning all the same.
        if base > 0 and self._at(int(offset), 4) == b"PK\x01\x02":
            base = 0
        if base < 0:
            raise Unreadable("the directory is not where the archive says")
        return base + int(offset), int(length), base

    def _directory64(self, end: int, length: int, offset: int) -> tuple[int, int, int]:
        if end < _LOCATOR.size:
            return end, length, offset
        signature, _, position, _ = _LOCATOR.unpack(self._at(end - _LOCATOR.size, _LOCATOR.size))
        if signature != b"PK\x06\x07":
            return end, length, offset
        record = _END64.unpack(self._at(position, _END64.size))
        if record[0] != b"PK\x06\x06":
            raise Unreadable("the directory is not where the archive says")
        return position, record[8], record[9]

    def _member(self, buffer: bytes, at: int) -> tuple[Member, int]:
        if len(buffer) - at < _CENTRAL.size or buffer[at : at + 4] != b"PK\x01\x02":
            raise Unreadable("the directory is corrupt")
        fields = _CENTRAL.unpack_from(buffer, at)
        name_length, extra_length, comment_length = fields[10:13]
        name_at = at + _CENTRAL.size
        name = buffer[name_at : name_at + name_length].decode("utf-8", "replace")
        extra = buffer[name_at + name_length : name_at + name_length + extra_length]
        packed, size, offset = _sizes(fields[8], fields[9], fields[16], extra)
        member = Member(name, fields[4], bool(fields[3] & _ENCRYPTED), packed, size, self._base + offset)
        return member, _CENTRAL.size + name_length + extra_length + comment_length


def _sizes(packed: int, size: int, offset: int, extra: bytes) -> tuple[int, int, int]:
    """Those that do not fit in 32 bits stand in an extra field, in this order: size, packed, offset."""
    if _MAX32 not in (packed, size, offset):
        return packed, size, offset
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            numbers = iter(struct.unpack_from(f"<{min(length, len(extra) - at - 4) // 8}Q", extra, at + 4))
            try:
                size = next(numbers) if size == _MAX32 else size
                packed = next(numbers) if packed == _MAX32 else packed
                offset = next(numbers) if offset == _MAX32 else offset
            except StopIteration:
                raise Unreadable("the directory is corrupt") from None
            break
        at += 4 + length
    return packed, size, offset
