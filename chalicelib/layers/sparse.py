"""Files with holes: which parts of them an archive has. Four ways of GNU tar to say so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, NoReturn

from . import extended
from .entries import LayerRefused
from .headers import BLOCK, number
from .source import Source

# Where the oldest way has its parts in a header, how many, and what follows them.
_FIRST, _FIRST_PARTS, _MORE, _REAL_SIZE = 386, 4, 482, 483
_FURTHER_PARTS, _FURTHER_MORE = 21, 504
_NUMBER: Final = 12
_PARTS_MOST: Final = 65_536
Parts = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Sparse:
    """size: of the file with its holes. parts: offset and length, in order; None: they stand before the content."""

    size: int
    parts: Parts | None

    def fill(self, file: BinaryIO, source: Source, stored: int) -> int:
        """Writes the parts to their places in a file that is nothing but a hole; how many stored bytes that took."""
        parts, taken = (self.parts, 0) if self.parts is not None else _read_map(source, stored)
        end = 0
        for offset, length in parts:
            if offset < end or offset + length > self.size or taken + length > stored:
                _damaged("parts that do not fit")
            end = offset + length
            taken += length
            file.seek(offset)
            for piece in source.parts(length):
                file.write(piece)
                length -= len(piece)
            if length:
                raise LayerRefused("truncated", "The layer ends in the middle of a file.")
        return taken


def from_header(block: bytes, source: Source) -> Sparse:
    """The oldest way: in the header, and in blocks after it as long as they do not suffice."""
    parts = list(_fields(block, _FIRST, _FIRST_PARTS))
    more = block[_MORE]
    while more:
        further = source.take(BLOCK)
        if len(further) < BLOCK:
            raise LayerRefused("truncated", "The layer ends in the middle of a header.")
        parts.extend(_fields(further, 0, _FURTHER_PARTS))
        if len(parts) > _PARTS_MOST:
            _damaged(f"more than {_PARTS_MOST} parts")
        more = further[_FURTHER_MORE]
    return Sparse(number(block[_REAL_SIZE : _REAL_SIZE + _NUMBER]), parts)


def from_records(records: extended.Records) -> Sparse | None:
    """The others, in PAX records; None where they tell of no holes, or in a way that nobody knows."""
    version = records.get(b"GNU.sparse.major"), records.get(b"GNU.sparse.minor")
    size = records.get(b"GNU.sparse.realsize") or records.get(b"GNU.sparse.size")
    if size is None:
        return None
    if version == (b"1", b"0"):
        return Sparse(extended.decimal(size), None)
    if extended.MAP not in records or version not in ((None, None), (b"0", b"0"), (b"0", b"1")):
        return None
    numbers = [extended.decimal(digits) for digits in records[extended.MAP].split(b",") if digits]
    return Sparse(extended.decimal(size), _paired(numbers))


def _fields(block: bytes, at: int, count: int) -> Iterator[tuple[int, int]]:
    for start in range(at, at + count * 2 * _NUMBER, 2 * _NUMBER):
        if not block[start]:
            return
        yield number(block[start : start + _NUMBER]), number(block[start + _NUMBER : start + 2 * _NUMBER])


def _read_map(source: Source, stored: int) -> tuple[Parts, int]:
    """Lines of numbers, how many parts there are first; padded to whole blocks."""
    data, taken = b"", 0
    while True:
        lines = data.split(b"\n")
        wanted = 1 + 2 * extended.decimal(lines[0]) if len(lines) > 1 else 1
        if wanted > 2 * _PARTS_MOST:
            _damaged(f"more than {_PARTS_MOST} parts")
        if len(lines) > wanted:
            return _paired([extended.decimal(line) for line in lines[1:wanted]]), taken
        block = source.take(BLOCK)
        taken += BLOCK
        if len(block) < BLOCK or taken > stored:
            _damaged("its parts are not all named")
        data += block


def _paired(numbers: list[int]) -> Parts:
    if len(numbers) % 2:
        _damaged("an offset without a length")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _damaged(what: str) -> NoReturn:
    raise LayerRefused("corrupt", f"A file with holes is damaged: {what}.")
