"""An archive whose first files stand first: parents before what is in them, files before links to them.

    pass 1: source ─► temporary file, and where each entry begins ─► which are moved
    pass 2: those that are moved, then the others in the order they had

Nothing is moved that would come to something else by it: what occurs several times, what is also whited out.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

from chalicelib.layers.entries import Limits
from chalicelib.layers.headers import BLOCK

from .archive import Item, Tape, walk
from .models import OWN_NAMES
from .tree import key

_PIECE_BYTES: Final = 256 * 1024
# How many entries between two beats while the first pass is made.
_BEAT_ENTRIES: Final = 256
_WHITEOUT: Final = ".wh."
_OTHER, _FOLDER, _LINK = 0, 1, 2
_NONE: Final = -1
# Links to links: more of them than anybody makes.
_LINKS_MOST: Final = 8


@dataclass(frozen=True)
class Order:
    """count: entries that come first; files: those of them that are no folders."""

    count: int = 0
    files: int = 0
    archive: IO[bytes] | None = None
    spans: tuple[tuple[int, int], ...] = ()
    size: int = 0

    def blocks(self) -> Iterator[bytes]:
        """The archive's bytes in the new order."""
        for begin, end in self.spans:
            yield from self._read(begin, end)
        at = 0
        for begin, end in sorted(self.spans):
            yield from self._read(at, begin)
            at = end
        yield from self._read(at, self.size)

    def _read(self, begin: int, end: int) -> Iterator[bytes]:
        assert self.archive is not None  # noqa: S101
        self.archive.seek(begin)
        while begin < end:
            piece = self.archive.read(min(_PIECE_BYTES, end - begin))
            begin += len(piece)
            yield piece


@contextmanager
def ordered(tape: Tape, files: Sequence[str], limits: Limits, beat: Callable[[], None]) -> Iterator[Order]:
    """The archive lies in a temporary file as long as the context lasts. Raises what `walk` raises."""
    with tempfile.TemporaryFile() as archive:
        index = _Index()
        tape.copy_to(archive)
        for number, item in enumerate(walk(tape, limits)):
            item.leave()
            item.padding()
            index.add(item, tape.position)
            if number % _BEAT_ENTRIES == 0:
                beat()
        # The last entry's padding may be missing, and it may become the first.
        size = tape.position + -tape.position % BLOCK
        archive.truncate(size)
        moved = index.first(files)
        spans = tuple((index.begins[number], index.begins[number + 1]) for number in moved)
        count = sum(index.kinds[number] != _FOLDER for number in moved)
        # The second pass takes as much memory for what it has to know.
        del index
        yield Order(len(moved), count, archive, spans, size)


class _Index:
    """Where entries stand and what has to come before them, by their numbers; 21 bytes and a name's digest each.

    begins   of each entry, and the end of the last one
    parents  the nearest folder that came before, -1 if there was none
    targets  of links, what they link to
    """

    def __init__(self) -> None:
        self.begins = array("Q", [0])
        self.kinds = bytearray()
        self._parents = array("i")
        self._targets = array("i")
        self._fixed = bytearray()
        self._names: dict[bytes, int] = {}
        self._whited: set[bytes] = set()
        self._near: tuple[str, int, bool] | None = None

    def add(self, item: Item, end: int) -> None:
        number = len(self.kinds)
        kind = _FOLDER if item.kind == "dir" else _LINK if item.kind == "hardlink" else _OTHER
        folder, _, name = item.path.rpartition("/")
        parent, hidden = self._nearest(folder) if item.path else (_NONE, False)
        whiteout = name.startswith(_WHITEOUT)
        self.kinds.append(kind)
        self.begins.append(end + -end % BLOCK)
        self._parents.append(parent)
        self._targets.append(self._names.get(key(item.target), _NONE) if kind == _LINK else _NONE)
        self._fixed.append(
            hidden or whiteout or not item.kind or item.path in OWN_NAMES or key(item.path) in self._whited
        )
        if whiteout:
            self._whited.add(key(f"{folder}/{name[len(_WHITEOUT) :]}".lstrip("/")))
            self._near = None
        elif item.kind:
            self._name(key(item.path), number)

    def first(self, files: Sequence[str]) -> list[int]:
        """Numbers of those entries that are moved, in the order they come to stand in."""
        moved: dict[int, None] = {}
        for path in files:
            number = self._names.get(key(path))
            if path and number is not None and number not in moved:
                moved.update(dict.fromkeys(self._with_all_before(number)))
        # Folders alone are no reason to fetch anything.
        return list(moved) if any(self.kinds[number] != _FOLDER for number in moved) else []

    def _name(self, name: bytes, number: int) -> None:
        known = self._names.setdefault(name, number)
        if known != number and not self.kinds[known] == self.kinds[number] == _FOLDER:
            self._fixed[known] = True
        if self.kinds[number] == _FOLDER:
            self._near = None

    def _nearest(self, folder: str) -> tuple[int, bool]:
        """The entry of the folder, or of the nearest above it; whether a whiteout hides what is below."""
        if self._near is not None and self._near[0] == folder:
            return self._near[1:]
        found, hidden, path = _NONE, False, folder
        while True:
            name = key(path)
            hidden = hidden or name in self._whited
            if found == _NONE:
                found = self._names.get(name, _NONE)
            if not path:
                break
            path = path.rpartition("/")[0]
        self._near = folder, found, hidden
        return found, hidden

    def _with_all_before(self, number: int) -> list[int]:
        """Nothing, where one of them has to stay where it is."""
        chain = [number]
        while self.kinds[chain[-1]] == _LINK:
            target = self._targets[chain[-1]]
            if target == _NONE or len(chain) == _LINKS_MOST:
                return []
            chain.append(target)
        found: list[int] = []
        for entry in reversed(chain):
            way = [entry]
            while (parent := self._parents[way[-1]]) != _NONE:
                if self.kinds[parent] != _FOLDER:
                    return []
                way.append(parent)
            found.extend(reversed(way))
        return [] if any(self._fixed[entry] for entry in found) else found
