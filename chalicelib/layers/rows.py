"""Rows of texts about a layer, as they are kept: the first bytes say what they are, the rest is compressed, each text
ended by NUL. Memory does not grow with the number of rows, but with what is left of them compressed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_FLUSH_BYTES: Final = 256 * 1024
_READ_BYTES: Final = 256 * 1024


class RowsWriter:
    """magic: says which rows they are, in which version."""

    def __init__(self, magic: bytes) -> None:
        from .zstandard import zstd

        self._compressor = zstd.ZstdCompressor()
        self._rows: list[str] = []
        self._held = 0
        self._done: list[bytes] = [magic]

    def add(self, row: str) -> None:
        """row: its texts, each with a NUL after it and none in it."""
        self._rows.append(row)
        self._held += len(row)
        if self._held > _FLUSH_BYTES:
            self._flush()

    def finish(self) -> bytes:
        self._flush()
        return b"".join((*self._done, self._compressor.flush()))

    def _flush(self) -> None:
        data = self._compressor.compress("".join(self._rows).encode(errors="replace"))
        if data:
            self._done.append(data)
        self._rows.clear()
        self._held = 0


def read_rows(data: bytes, magic: bytes, texts: int) -> Iterator[list[str]]:
    """Each with as many texts. Raises ValueError for what `RowsWriter` did not write under this magic."""
    if not data.startswith(magic):
        raise ValueError("no list of a layer's entries of this version")
    fields: list[str] = []
    for some in _texts(data[len(magic) :]):
        fields.extend(some)
        whole = len(fields) - len(fields) % texts
        for at in range(0, whole, texts):
            yield fields[at : at + texts]
        del fields[:whole]
    if fields:
        raise ValueError("a list of a layer's entries ends in the middle of one")


def _texts(data: bytes) -> Iterator[list[str]]:
    """Some at a time."""
    from .zstandard import zstd

    decompressor, rest = zstd.ZstdDecompressor(), b""
    try:
        while not decompressor.eof:
            block = decompressor.decompress(data, _READ_BYTES)
            if not block and decompressor.needs_input and not data:
                break
            data = b""
            *whole, rest = (rest + block).split(b"\0")
            yield [text.decode() for text in whole]
    except zstd.ZstdError as wrong:
        raise ValueError(f"a list of a layer's entries is damaged: {wrong}") from wrong
    if rest or not decompressor.eof:
        raise ValueError("a list of a layer's entries is cut off")
