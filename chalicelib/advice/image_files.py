"""Layers put on top of each other: what a container gets to see, and what lies below it for nothing. Pure.

layer 1:  a  b  c          seen: a' c d        lost: a (written over by 2), b (deleted by 3)
layer 2:  a'   d
layer 3:  .wh.b
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from chalicelib.layers.contents import FileFact
from chalicelib.layers.entries import LayerRefused

Cause = Literal["deleted", "overwritten"]

# What a layer holds, from its beginning each time.
Layer = Callable[[], Iterable[FileFact]]

# Of an image's layers together: so many files are 200 MiB here, and real images have a tenth of them.
MOST_ENTRIES: Final = 500_000
_LARGEST: Final = 5
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"


class Seen(NamedTuple):
    """A file, link or device, and the number of the layer that brought it."""

    layer: int
    size: int
    modified: int


@dataclass(slots=True)
class Loss:
    """same_bytes: of files that the other layer has in the same size and of the same time: only their rights or owner
    were changed. largest: (size, path), a heap."""

    bytes: int = 0
    files: int = 0
    same_bytes: int = 0
    largest: list[tuple[int, str]] = field(default_factory=list)

    def add(self, path: str, size: int, *, same: bool) -> None:
        self.bytes += size
        self.files += 1
        self.same_bytes += size if same else 0
        remember(self.largest, path, size)

    @property
    def paths(self) -> tuple[str, ...]:
        return by_size(self.largest)


def remember(largest: list[tuple[int, str]], path: str, size: int) -> None:
    """Keeps the five largest."""
    if len(largest) < _LARGEST:
        heapq.heappush(largest, (size, path))
    elif size > largest[0][0]:
        heapq.heapreplace(largest, (size, path))


def by_size(largest: list[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(path for _, path in sorted(largest, key=lambda one: (-one[0], one[1])))


class ImageFiles:
    """
    seen         path → what a container gets to see there, but folders
    losses       (layer that brought, layer that took, how) → what was lost of the former
    layer_bytes  of files, layer by layer
    noticed      path → layers that bring it, of those that `notice` says yes to, whether they are seen or lost
    """

    def __init__(self, notice: Callable[[str], bool] = lambda path: False) -> None:
        self._notice = notice
        self.noticed: dict[str, list[int]] = {}
        self.seen: dict[str, Seen] = {}
        self.losses: dict[tuple[int, int, Cause], Loss] = {}
        self.layer_bytes: list[int] = []
        self._below: dict[str, set[str]] = {}
        self._entries = 0

    @classmethod
    def of(cls, layers: Iterable[Layer], notice: Callable[[str], bool] = lambda path: False) -> ImageFiles:
        """layers: lowest first. Raises LayerRefused (too_many_entries)."""
        files = cls(notice)
        for layer in layers:
            files.put_on(layer)
        return files

    @property
    def total_bytes(self) -> int:
        return sum(self.layer_bytes)

    @property
    def wasted_bytes(self) -> int:
        return sum(loss.bytes for loss in self.losses.values())

    def put_on(self, layer: Layer) -> None:
        number = len(self.layer_bytes)
        self.layer_bytes.append(0)
        # A whiteout is about the layers below, wherever in its own layer it stands.
        for entry in layer():
            self._entries += 1
            if self._entries > MOST_ENTRIES:
                raise LayerRefused("too_many_entries", f"The image's layers have more than {MOST_ENTRIES} entries.")
            folder, _, name = entry.path.rpartition("/")
            if name == _OPAQUE:
                self._lose_below(folder, number, "deleted")
            elif name.startswith(_WHITEOUT):
                path = f"{folder}/{name[len(_WHITEOUT) :]}".lstrip("/")
                self._lose(path, number, "deleted")
                self._lose_below(path, number, "deleted")
        for entry in layer():
            if not entry.path.rpartition("/")[2].startswith(_WHITEOUT):
                self._add(entry, number)

    def _add(self, entry: FileFact, number: int) -> None:
        path = entry.path
        if entry.kind == "folder":
            self._lose(path, number, "overwritten")
            return
        if path in self._below:
            self._lose_below(path, number, "overwritten")
        self._lose(path, number, "overwritten", entry)
        self.seen[path] = Seen(number, entry.size, entry.modified)
        self.layer_bytes[number] += entry.size
        if self._notice(path):
            self.noticed.setdefault(path, []).append(number)
        while path:
            folder = path.rpartition("/")[0]
            known = self._below.get(folder)
            if known is not None:
                known.add(path)
                return
            self._below[folder] = {path}
            path = folder

    def _lose(self, path: str, number: int, cause: Cause, by: FileFact | None = None) -> None:
        lost = self.seen.pop(path, None)
        if lost is None:
            return
        same = by is not None and (by.size, by.modified) == (lost.size, lost.modified)
        self.losses.setdefault((lost.layer, number, cause), Loss()).add(path, lost.size, same=same)

    def _lose_below(self, folder: str, number: int, cause: Cause) -> None:
        waiting = [folder]
        while waiting:
            for path in self._below.pop(waiting.pop(), ()):
                self._lose(path, number, cause)
                if path in self._below:
                    waiting.append(path)
