"""All that a layer writes, as a list that is kept: paths, kinds, sizes, and no content.

Rows (`rows`) of three texts: kind, size, mode, modified; path; target. Numbers are in base 16. Ten thousand files take
about 100 KiB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from .entries import Entry, Kind
from .rows import RowsWriter, read_rows

# Raised when an entry is told otherwise: layers are then read once more.
CONTENTS_VERSION: Final = 1
_MAGIC: Final = b"layer contents 1\n"
LETTERS: Final[dict[Kind, str]] = {
    "file": "f",
    "folder": "d",
    "link": "l",
    "symlink": "s",
    "device": "v",
    "fifo": "p",
}
KINDS: Final = {letter: kind for kind, letter in LETTERS.items()}


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
    def __init__(self) -> None:
        self._rows = RowsWriter(_MAGIC)

    def add(self, entry: Listed) -> None:
        facts = f"{LETTERS[entry.kind]}{entry.size:x} {entry.mode:x} {entry.modified:x}"
        self._rows.add(f"{facts}\0{entry.path}\0{entry.target}\0")

    def finish(self) -> bytes:
        return self._rows.finish()


def read_contents(data: bytes) -> Iterator[FileFact]:
    """Raises ValueError for what `ContentsWriter` did not write."""
    for facts, path, target in read_rows(data, _MAGIC, 3):
        size, mode, modified = facts[1:].split(" ")
        yield FileFact(path, KINDS[facts[0]], int(size, 16), int(mode, 16), int(modified, 16), target)
