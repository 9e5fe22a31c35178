"""Bytes of a layer, decompressed as they come: gzip, zstd or none, recognised by how they begin.

Media types say which it should be; what wrote the layer knew better.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, cast

from .entries import LayerRefused

# A decompressor copies what it was given and did not use: not more at a time than that costs nothing.
PIECE_BYTES: Final = 64 * 1024
# The longest there is at once, however well it was compressed.
BLOCK_BYTES: Final = 256 * 1024

_GZIP: Final = b"\x1f\x8b"
# A frame, or one that is to be skipped: indexes of lazily pulled layers stand in such.
_ZSTD: Final = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
_OTHERS: Final = {
    "bzip2": re.compile(rb"BZh[1-9]1AY&SY"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "lz4": re.compile(rb"\x04\x22\x4d\x18"),
    "lzip": re.compile(rb"LZIP\x01"),
    "compress": re.compile(rb"\x1f\x9d"),
}
_MAGIC_BYTES: Final = 10


class _Decompressor(Protocol):
    """What decompressors of the standard library have in common. One of them is good for one member."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def decompressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What `chunks` hold, in blocks of up to 256 KiB, none of them empty.

    What follows the last member and is none itself is left out: gzip does so too.
    Raises LayerRefused (corrupt, truncated, unsupported_compression).
    """
    pieces = _pieces(chunks)
    start = b""
    for piece in pieces:
        start += piece
        if len(start) >= _MAGIC_BYTES:
            break
    for name, magic in _OTHERS.items():
        if magic.match(start):
            raise LayerRefused("unsupported_compression", f"The layer is compressed by {name}; gzip and zstd are read.")
    if start.startswith(_GZIP):
        return _members(start, pieces, lambda rest: rest.startswith(_GZIP), _gzip)
    if _ZSTD.match(start):
        return _members(start, pieces, lambda rest: _ZSTD.match(rest) is not None, _zstd)
    return _plain(start, pieces)


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), PIECE_BYTES):
            yield chunk[at : at + PIECE_BYTES] if len(chunk) > PIECE_BYTES else chunk


def _plain(start: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    if start:
        yield start
    yield from pieces


def _members(
    given: bytes, pieces: Iterator[bytes], begins: Callable[[bytes], bool], new: Callable[[], _Decompressor]
) -> Iterator[bytes]:
    """Members that follow each other are one stream, of which layers that are pulled lazily have many."""
    failures = _failures()
    while True:
        member = new()
        while not member.eof:
            if not given and member.needs_input:
                given = next(pieces, b"")
                if not given:
                    raise LayerRefused("truncated", "The layer ends in the middle of what is compressed.")
            try:
                block = member.decompress(given, BLOCK_BYTES)
            except failures as wrong:
                raise LayerRefused("corrupt", f"The layer cannot be decompressed: {wrong}.") from wrong
            given = b""
            if block:
                yield block
        given = member.unused_data
        while len(given) < 4 and (piece := next(pieces, b"")):
            given += piece
        if not begins(given):
            return


def _gzip() -> _Decompressor:
    from isal import igzip_lib

    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _zstd() -> _Decompressor:
    from .zstandard import zstd

    # Its window is 128 MiB at most unless it is told otherwise, which is what encoders keep to.
    return zstd.ZstdDecompressor()


def _failures() -> tuple[type[Exception], ...]:
    from isal import igzip_lib

    from .zstandard import zstd

    # Its types call the class an instance.
    return cast(type[Exception], igzip_lib.error), zstd.ZstdError, EOFError
