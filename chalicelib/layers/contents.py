"""All that a layer writes, as a list that is kept: paths, kinds, sizes, and no content.

A list begins with its version. The rest is compressed, for each entry: kind, size, mode, modified, NUL, path, NUL,
target, NUL; numbers in base 16. Ten thousand files take about 100 KiB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from .entries import Entry, Kind

# Raised when an entry is told otherwise: layers are then read once more.
CONTENTS_VERSION: Final = 1
_MAGIC: Final = b"layer contents 1\n"
_FLUSH_BYTES: Final = 256 * 1024
_READ_BYTES: Final = 256 * 1024
_LETTERS: Final[dict[Kind, str]] = {
    "file": "f",
    "folder": "d",
    "link": "l",
    "symlink": "s",
    "device": "v",
    "fifo": "p",
}
_KINDS: Final = {letter: kind for kind, letter in _LETTERS.items()}


class FileFact(NamedTuple):
    """An entry as `Entry` has it, in the archive's order; whiteouts too, by their names (`.wh.…`).

    modified   seconds since 1970
    """

    path: str
    kind: Kind
    size: int
    mode: int
    modified: int
    target: str


class Listed(Entry, Protocol):
    """What `read_layer` yields."""

    modified: int


class ContentsWriter:
    """Memory does not grow with the number of entries, but with what is left of them compressed."""

    def __init__(self) -> None:
        from .zstandard import zstd

        self._compressor = zstd.ZstdCompressor()
        self._lines: list[str] = []
        self._held = 0
        self._done: list[bytes] = [_MAGIC]

    def add(self, entry: Listed) -> None:
        path, target = entry.path, entry.target
        self._lines.append(
            f"{_LETTERS[entry.kind]}{entry.size:x} {entry.mode:x} {entry.modified:x}\0{path}\0{target}\0"
        )
        self._held += len(path) + len(target)
        if self._held > _FLUSH_BYTES:
            self._flush()

    def finish(self) -> bytes:
        self._flush()
        return b"".join((*self._done, self._compressor.flush()))

    def _flush(self) -> None:
        data = self._compressor.compress("".join(self._lines).encode(errors="replace"))
        if data:
            self._done.append(data)
        self._lines.clear()
        self._held = 0


def read_contents(data: bytes) -> Iterator[FileFact]:
    """Raises ValueError for what `ContentsWriter` did not write."""
    if not data.startswith(_MAGIC):
        raise ValueError("no list of a layer's contents")
    fields: list[str] = []
    for text in _texts(data[len(_MAGIC) :]):
        fields.extend(text)
        whole = len(fields) - len(fields) % 3
        for at in range(0, whole, 3):
            facts, path, target = fields[at : at + 3]
            size, mode, modified = facts[1:].split(" ")
            yield FileFact(path, _KINDS[facts[0]], int(size, 16), int(mode, 16), int(modified, 16), target)
        del fields[:whole]


def _texts(data: bytes) -> Iterator[list[str]]:
    """Fields, some at a time."""
    from .zstandard import zstd

    decompressor, rest = zstd.ZstdDecompressor(), b""
    try:
        while not decompressor.eof:
            block = decompressor.decompress(data, _READ_BYTES)
            if not block and decompressor.needs_input and not data:
                break
            data = b""
            *whole, rest = (rest + block).split(b"\0")
            yield [field.decode() for field in whole]
    except zstd.ZstdError as wrong:
        raise ValueError(f"a list of a layer's contents is damaged: {wrong}") from wrong
    if rest or not decompressor.eof:
        raise ValueError("a list of a layer's contents is cut off")
