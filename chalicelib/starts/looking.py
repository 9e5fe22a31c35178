"""One pass over a layer: which files it has, and of those that are run or loaded, what they need besides themselves.

    layer ─► read_layer ─► entry ─► its first bytes ─► ELF: interpreter, libraries · script: interpreter ─► a row

Nothing is unpacked, and nothing is read but what is loaded dynamically.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from chalicelib.layers.contents import KINDS, LETTERS
from chalicelib.layers.entries import MIB, Entry, FileRefused, Kind, LayerRefused, Limits
from chalicelib.layers.reading import read_layer
from chalicelib.layers.rows import RowsWriter, read_rows
from chalicelib.layers.tar_entries import PEEK_BYTES

from . import elf

# Its number is raised together with `ports.paths.STARTS_VERSION`.
_MAGIC: Final = b"layer starts 1\n"
_DEFAULT: Final = Limits()
_EXECUTABLE: Final = 0o111
# Linux's PATH_MAX: a symlink with a longer target leads nowhere.
_LONGEST_TARGET: Final = 4096
# As much of a script's first line as Linux looks at.
_LINE_BYTES: Final = 256
# Of all rows; the largest layers tell a tenth.
_MOST_BYTES: Final = 256 * MIB
_SCRIPT: Final = "#"
_ELF: Final = "E"


class Start(NamedTuple):
    """An entry of a layer, in its order; whiteouts too, by their names (`.wh.…`).

    target       as `Entry.target`
    interpreter  of a script: program and perhaps one argument, as its first line has them
    """

    path: str
    kind: Kind
    size: int
    executable: bool
    target: str
    told: str

    @property
    def interpreter(self) -> str:
        return self.told[1:] if self.told.startswith(_SCRIPT) else ""

    @property
    def elf(self) -> elf.Elf | None:
        return elf.told(self.told[1:]) if self.told.startswith(_ELF) else None


def look(chunks: Iterable[bytes], limits: Limits = _DEFAULT, most_bytes: int = _MOST_BYTES) -> bytes:
    """A layer's starts, compact, for `read_starts`; ten thousand files take about 100 KiB.

    chunks      of its blob, however it is compressed
    most_bytes  of what is told, before it is compressed
    Raises LayerRefused, and whatever `chunks` raise.
    """
    rows, held = RowsWriter(_MAGIC), 0
    for entry in read_layer(chunks, limits):
        target = entry.target if len(entry.target) <= _LONGEST_TARGET else ""
        # Read before its size is told: nothing else is known of a file whose content ends too early.
        told = _told(entry) if entry.size and entry.kind == "file" else ""
        runs = "x" if entry.mode & _EXECUTABLE else "-"
        row = f"{LETTERS[entry.kind]}{runs}{entry.size:x}\0{entry.path}\0{target}\0{told}\0"
        held += len(row)
        if held > most_bytes:
            raise LayerRefused("too_large", "The layer has more names of files than any image has.")
        rows.add(row)
    return rows.finish()


def read_starts(data: bytes) -> Iterator[Start]:
    """Raises ValueError for what `look` did not make."""
    for facts, path, target, told in read_rows(data, _MAGIC, 4):
        yield Start(path, KINDS[facts[0]], int(facts[2:], 16), facts[1] == "x", target, told)


def _told(entry: Entry) -> str:
    try:
        start = entry.peek(4)
        if start == elf.MAGIC:
            found = elf.read_elf(entry.peek(PEEK_BYTES), entry.size, entry.content)
            return "" if found is None else _ELF + found.text()
        if start[:2] == b"#!" and entry.mode & _EXECUTABLE:
            return _SCRIPT + _line(entry.peek(_LINE_BYTES))
    except FileRefused:
        # Larger than files that are read, or with holes: it is a file like others, and is loaded as it is read.
        return ""
    return ""


def _line(start: bytes) -> str:
    """Of a script, without `#!`; "" for one that is no text."""
    line = start[2:].partition(b"\n")[0].strip(b" \t\r")
    try:
        text = line.decode().replace("\t", " ")
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""
