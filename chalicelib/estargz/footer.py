"""The last 51 bytes of a layer, which tell where its table of contents begins."""

from __future__ import annotations

import re
from typing import Final

FOOTER_BYTES: Final = 51
# A gzip member of nothing, whose extra field holds the offset.
_BEFORE: Final = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x1a\0SG\x16\0"
_AFTER: Final = b"STARGZ\x01\0\0\xff\xff" + bytes(8)
_FOOTER: Final = re.compile(re.escape(_BEFORE) + rb"([0-9a-f]{16})" + re.escape(_AFTER))


def write_footer(offset: int) -> bytes:
    return _BEFORE + b"%016x" % offset + _AFTER


def read_footer(footer: bytes) -> int | None:
    """The offset; None for what is no footer."""
    match = _FOOTER.fullmatch(footer)
    return int(match[1], 16) if match else None
