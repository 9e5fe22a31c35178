"""Headers that are not copied but written: of files that had holes, and of the mark within another entry's header."""

from __future__ import annotations

from typing import Final

from chalicelib.layers import extended, headers
from chalicelib.layers.headers import BLOCK

from .archive import Item
from .models import LANDMARK

_OCTAL_MOST: Final = 8**11 - 1
_EXTENDED_NAME: Final = b"PaxHeaders/file"
Blocks = list[tuple[bytes, bytes]]


def header(name: bytes, size: int, kind: bytes = b"0") -> bytes:
    """Of an entry of nobody's, of 1970."""
    start = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + _size(size) + b"00000000000\0"
    block = (start + b" " * 8 + kind + bytes(100) + b"ustar\00000").ljust(BLOCK, b"\0")
    return _summed(block)


def without_holes(item: Item) -> Blocks:
    """What begins a file with holes, as that of one whose content stands there whole."""
    block = item.blocks[-1][1]
    records = [record for record in _records_of(item) if not _of_holes(record[0])]
    if name := item.records.get(b"GNU.sparse.name"):
        records = [record for record in records if record[0] != b"path"]
        records.append((b"path", name))
    # GNU's oldest way keeps the map of parts where others have the rest of a long name.
    oldest = block[156:157] == b"S"
    block = block[:124] + _size(item.size) + block[136:156] + b"0" + block[157:]
    if oldest:
        block = block[:345].ljust(BLOCK, b"\0")
    blocks = [(kind, data) for kind, data in item.blocks[:-1] if kind != b"x"]
    if records:
        data = b"".join(_record(key, value) for key, value in records)
        blocks.append((b"x", header(_EXTENDED_NAME, len(data), b"x") + _padded(0, data)))
    return [*blocks, (b"0", _summed(block))]


def with_mark(blocks: Blocks) -> tuple[bytes, bytes]:
    """All that begins an entry, with the landmark's byte in a comment of it: what is before the byte, and after.

    Whoever unpacks the archive passes over comments, and so finds no file that was not there. An entry that has an
    extended header keeps one: two of them in a row are more than some readers bear.
    """
    start, _, end = _record(b"comment", LANDMARK).partition(LANDMARK)
    at = next((number for number, (kind, _) in enumerate(blocks) if kind == b"x"), None)
    if at is None:
        before, data, after = [header(_EXTENDED_NAME, len(start) + 1 + len(end), b"x")], b"", blocks
    else:
        own = blocks[at][1]
        size = headers.parse(own[:BLOCK]).stored
        data = own[BLOCK : BLOCK + size]
        block = _summed(own[:124] + _size(size + len(start) + 1 + len(end)) + own[136:BLOCK])
        before, after = [*(data for _, data in blocks[:at]), block], blocks[at + 1 :]
    rest = _padded(len(start) + 1, end + data)
    return b"".join((*before, start)), b"".join((rest, *(data for _, data in after)))


def _padded(size: int, data: bytes) -> bytes:
    """To the end of the blocks that the `size` bytes before have begun."""
    return data + bytes(-(size + len(data)) % BLOCK)


def _records_of(item: Item) -> list[tuple[bytes, bytes]]:
    """Of its own extended headers; long names of GNU's are entries of their own."""
    long = {b"L": b"path", b"K": b"linkpath"}
    others = {long[kind] for kind, _ in item.blocks if kind in long}
    return [(key, value) for key, value in item.records.items() if key not in others]


def _of_holes(key: bytes) -> bool:
    return key == b"size" or key == extended.MAP or key.startswith(b"GNU.sparse.")


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while length != len(str(length)) + len(rest):
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def _size(size: int) -> bytes:
    return b"%011o\0" % size if size <= _OCTAL_MOST else b"\x80" + size.to_bytes(11)


def _summed(block: bytes) -> bytes:
    total = sum(block[:148]) + 8 * 0x20 + sum(block[156:])
    return block[:148] + b"%06o\0 " % total + block[156:]
