"""A block of 512 bytes that begins an entry of a tar archive: ustar, GNU, PAX and the oldest format.

Where writers differ it is read as Go's archive/tar reads it, which is what unpacks images nearly everywhere: what a
container gets to see is what is looked at.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple
from zlib import adler32

from .entries import Kind, LayerRefused

BLOCK: Final = 512
ZEROS: Final = bytes(BLOCK)
LARGEST: Final = 2**63 - 1
# name mode uid gid size mtime checksum type linkname magic+version owner group devices prefix
_FIELDS: Final = struct.Struct("100s8s16x12s12s8sc100s8s80x155s12x")
_USTAR: Final = b"ustar\0"
_ADLER: Final = 65521

KINDS: Final[dict[bytes, Kind]] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"S": "file",
    b"1": "link",
    b"2": "symlink",
    b"3": "device",
    b"4": "device",
    b"5": "folder",
    b"6": "fifo",
}
# Whatever their size says, nothing follows these.
_WITHOUT_BODY: Final = frozenset(b"123456")


class Header(NamedTuple):
    """As it stands there. stored: bytes that follow it, without padding."""

    name: bytes
    type: bytes
    stored: int
    mode: int
    modified: int
    target: bytes


def parse(block: bytes) -> Header:
    """Raises LayerRefused (corrupt) for what is no header."""
    name, mode, size, modified, checksum, kind, target, magic, prefix = _FIELDS.unpack(block)
    if not _sums_to(block, checksum):
        raise LayerRefused("corrupt", "The layer is no tar archive, or is damaged: a header's checksum is wrong.")
    name = name.partition(b"\0")[0]
    if magic.startswith(_USTAR) and (folder := prefix.partition(b"\0")[0]):
        name = folder + b"/" + name
    if kind == b"\0" and name.endswith(b"/"):
        kind = b"5"
    stored = 0 if kind[0] in _WITHOUT_BODY else number(size)
    return Header(name, kind, stored, _lenient(mode) & 0o7777, _lenient(modified), target.partition(b"\0")[0])


def number(field: bytes) -> int:
    """Octal digits, or binary where they do not suffice; below 2^63. Raises LayerRefused (corrupt)."""
    if field[0] & 0x80:
        value = int.from_bytes((field[0] & 0x3F, *field[1:]))
        if field[0] & 0x40 or value > LARGEST:
            raise LayerRefused("corrupt", "The layer is damaged: a size that no file can have.")
        return value
    digits = field.strip(b"\0 ").partition(b"\0")[0]
    try:
        # Digits alone: int() would take a sign, or `_` between them.
        return int(digits, 8) if digits.isdigit() else _nothing(digits)
    except ValueError as wrong:
        raise LayerRefused("corrupt", f"The layer is damaged: {digits!r} is no octal number.") from wrong


def _nothing(digits: bytes) -> int:
    if digits:
        raise ValueError(digits)
    return 0


def _lenient(field: bytes) -> int:
    """Of a time before 1970, or rubbish in a field that nothing depends on, there is nothing to be refused."""
    try:
        return number(field)
    except LayerRefused:
        return 0


def _sums_to(block: bytes, checksum: bytes) -> bool:
    """Bytes are summed up with the checksum's own taken as spaces; writers of old took them as signed ones."""
    declared = number(checksum)
    own = sum(checksum)
    # adler32's lower half is 1 + the sum of the bytes, modulo a prime: a fifth of what summing up in Python takes.
    total = (adler32(block) & 0xFFFF) - 1 - own + 8 * 0x20
    if (declared - total) % _ADLER == 0:
        return True
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:])
    return declared == signed + 8 * 0x20


def longest(value: bytes) -> bytes:
    """The name that a GNU entry of its own gives to the next one."""
    return value.partition(b"\0")[0]
