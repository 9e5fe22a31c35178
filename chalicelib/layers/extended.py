"""What PAX records say of the entry after them: `length key=value\\n`, one after another."""

from __future__ import annotations

from typing import Final, NoReturn

from .entries import LayerRefused
from .headers import LARGEST

# As much as Go's archive/tar takes: what is longer cannot be unpacked.
LONGEST_BYTES: Final = 1024 * 1024

Records = dict[bytes, bytes]
# What older GNU tars say over and over: offset, length, offset, length … of a sparse file's parts.
_PARTS: Final = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
MAP: Final = b"GNU.sparse.map"
_WITHOUT_NUL: Final = frozenset((b"path", b"linkpath", b"GNU.sparse.name"))


def parse(data: bytes) -> Records:
    """The last of a key counts; parts of a sparse file become one `GNU.sparse.map`. Raises LayerRefused (corrupt)."""
    records: Records = {}
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 10)
        digits = data[at:space] if space > at else b""
        end = at + int(digits) if digits.isdigit() else at
        # `=` and the line's end take two at least.
        if end < space + 3 or end > len(data) or data[end - 1] != 0x0A:
            _damaged("a record's length is wrong")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals or not key or (key in _WITHOUT_NUL and b"\0" in value):
            _damaged("a record is none")
        if key in _PARTS:
            if key != _PARTS[len(parts) % 2]:
                _damaged("parts of a sparse file in disorder")
            parts.append(value)
        else:
            records[key] = value
        at = end
    if parts:
        records[MAP] = b",".join(parts)
    return records


def decimal(digits: bytes) -> int:
    """Raises LayerRefused (corrupt)."""
    if not digits.isdigit() or len(digits) > 19 or int(digits) > LARGEST:
        _damaged(f"{digits[:40]!r} is no number")
    return int(digits)


def _damaged(what: str) -> NoReturn:
    raise LayerRefused("corrupt", f"The layer's extended headers are damaged: {what}.")
