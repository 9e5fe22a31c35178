"""Gzip members, read more strictly than clients read them: nothing but whole members, and no header tells anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, cast

from .models import LayerUnsound

_HEADER_BYTES: Final = 10
# No name, no time, no system; how hard the compressor tried may be told.
_HEADER: Final = re.compile(rb"\x1f\x8b\x08\0\0\0\0\0[\0\2\4]\xff", re.DOTALL)
_BLOCK_BYTES: Final = 256 * 1024


def gunzipped(pieces: Iterator[bytes], members: int = 0) -> Iterator[bytes]:
    """
    pieces   of whole members
    members  how many there have to be; 0 for any number but none

    Raises LayerUnsound.
    """
    from isal import igzip_lib

    count, given = 0, b""
    while True:
        while len(given) < _HEADER_BYTES and (piece := next(pieces, b"")):
            given += piece
        if not given and count:
            break
        if not _HEADER.match(given):
            raise LayerUnsound("The layer cannot be loaded lazily: a member of it does not begin where it should.")
        member, count = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), count + 1
        while not member.eof:
            if not given and member.needs_input:
                given = next(pieces, b"")
                if not given:
                    raise LayerUnsound(
                        "The layer cannot be loaded lazily: a member of it does not end where it should."
                    )
            try:
                block = member.decompress(given, _BLOCK_BYTES)
            except (cast(type[Exception], igzip_lib.error), EOFError) as wrong:
                raise LayerUnsound(f"The layer cannot be decompressed: {wrong}.") from wrong
            given = b""
            if block:
                yield block
        given = member.unused_data
    if members and count != members:
        raise LayerUnsound(f"The layer cannot be loaded lazily: {count} members stand where {members} should.")
