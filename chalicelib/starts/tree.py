"""Layers laid over each other as one tree of files, and paths followed through it as Linux follows them.

    highest layer ─► its files stand; what it deletes, empties or puts in place of a folder hides what lies below
    next layer    ─► those of its files that nothing hides; what it hides itself; …

Folders that no layer lists are there all the same, as they are when layers are unpacked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from chalicelib.layers.entries import MIB

from .looking import Start, read_starts

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
# Linux follows as many symlinks on one way.
_MOST_HOPS: Final = 40
_MOST_PARTS: Final = 256
_LONGEST_PATH: Final = 4096
# Of an image's layers together, some ten times what the largest have: a million take 400 MiB while they are looked at.
MOST_ENTRIES: Final = 1_000_000
_MOST_TEXT: Final = 256 * MIB


class TooMuch(Exception):
    """More files than any image has: nothing is told of them."""


class Standing(NamedTuple):
    """path: where its content lies in its layer, for a hard link that of its target."""

    layer: int
    path: str
    start: Start


class Way(NamedTuple):
    """passed: (layer, path) of symlinks and of the file in the end, in the order in which they are opened.
    path: of the file, without any symlink in it."""

    passed: tuple[tuple[int, str], ...]
    path: str
    file: Start


class Tree:
    """layers: starts of an image's layers, lowest first; b"" for one of which nothing is known."""

    def __init__(self, layers: Sequence[bytes], most_entries: int = MOST_ENTRIES) -> None:
        """Raises TooMuch; ValueError for what is no layer's starts."""
        self._standing: dict[str, Standing] = {}
        self._deleted: set[str] = set()
        self._emptied: set[str] = set()
        self._left = most_entries
        self._text = 0
        for number in reversed(range(len(layers))):
            if layers[number]:
                self._lay_below(number, layers[number])

    def way(self, path: str, folder: str = "") -> Way | None:
        """To a file, from a folder if the path is relative. None where there is no file."""
        todo = (path if path.startswith("/") else f"{folder}/{path}").split("/")[::-1]
        at: list[str] = []
        passed: list[tuple[int, str]] = []
        hops = 0
        while todo:
            part = todo.pop()
            if part == "..":
                del at[-1:]
                continue
            if part in ("", "."):
                continue
            at.append(part)
            found = self._at(at)
            if found is None or found.start.kind != "symlink":
                continue
            hops += 1
            target = found.start.target
            if hops > _MOST_HOPS or len(todo) + len(target) > _LONGEST_PATH or not target:
                return None
            passed.append((found.layer, "/".join(at)))
            todo += target.split("/")[::-1]
            at = [] if target.startswith("/") else at[:-1]
        return self._end("/".join(at), passed)

    def _at(self, parts: list[str]) -> Standing | None:
        return self._standing.get("/".join(parts)) if len(parts) <= _MOST_PARTS else None

    def _end(self, path: str, passed: list[tuple[int, str]]) -> Way | None:
        found = self._standing.get(path)
        if found is None or found.start.kind not in ("file", "link"):
            return None
        if found.path != path:
            # The format wants a hard link's target before it.
            passed.append((found.layer, found.path))
        return Way((*passed, (found.layer, path)), path, found.start)

    def _lay_below(self, number: int, data: bytes) -> None:
        here, deleted, emptied = self._read(number, data)
        # A file in the place of a folder above it and of one below it: the two have nothing in common.
        emptied |= {path for path, each in here.items() if each.start.kind != "folder" and self._is_folder(path)}
        hidden: dict[str, bool] = {}
        seen = {
            path: each
            for path, each in here.items()
            if path not in self._standing and path not in self._deleted and not self._hides(path, hidden)
        }
        self._standing.update(seen)
        self._deleted |= deleted
        self._emptied |= emptied

    def _read(self, number: int, data: bytes) -> tuple[dict[str, Standing], set[str], set[str]]:
        """What one layer has, of each path the last, and what it takes from those below it."""
        here: dict[str, Standing] = {}
        deleted: set[str] = set()
        emptied: set[str] = set()
        for start in read_starts(data):
            self._left -= 1
            self._count_text(len(start.path) + len(start.target) + len(start.told))
            if self._left < 0:
                raise TooMuch
            folder, _, name = start.path.rpartition("/")
            if name == _WHITEOUT:
                continue
            if name == _OPAQUE:
                emptied.add(folder)
            elif name.startswith(_WHITEOUT):
                deleted.add(f"{folder}/{name[4:]}" if folder else name[4:])
            elif start.kind == "link":
                if target := here.get(start.target):
                    here[start.path] = Standing(number, target.path, target.start)
            else:
                here[start.path] = Standing(number, start.path, start)
        return here, deleted, emptied

    def _count_text(self, size: int) -> None:
        self._text += size
        if self._text > _MOST_TEXT:
            raise TooMuch

    def _hides(self, path: str, known: dict[str, bool]) -> bool:
        """Whether a layer above this one hides what lies in the path's folder.

        known: the same of folders asked for before, to which this adds."""
        folder = path.rpartition("/")[0]
        if folder in known:
            return known[folder]
        asked = [folder]
        while folder and folder not in known and not self._ends_at(folder):
            folder = folder.rpartition("/")[0]
            asked.append(folder)
            # A path that is deep enough has many times its own length in folders.
            self._count_text(len(folder))
        answer = known[folder] if folder in known else self._ends_at(folder)
        known.update(dict.fromkeys(asked, answer))
        return answer

    def _is_folder(self, path: str) -> bool:
        above = self._standing.get(path)
        return above is not None and above.start.kind == "folder"

    def _ends_at(self, folder: str) -> bool:
        if folder in self._emptied or folder in self._deleted:
            return True
        above = self._standing.get(folder)
        return above is not None and above.start.kind != "folder"
