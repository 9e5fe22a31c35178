"""Which readers a path concerns: a few dictionary look-ups, however many readers there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from .reading import Reader

Readers: TypeAlias = tuple[Reader, ...]
_NOBODY: Final[Readers] = ()
_EXECUTABLE: Final = 0o111


@dataclass(frozen=True, slots=True)
class PlaceIndex:
    """`Places` of all readers, turned round."""

    paths: dict[str, Readers]
    folders: dict[str, Readers]
    names: dict[str, Readers]
    endings: dict[str, Readers]
    executables: Readers

    @staticmethod
    def over(readers: Sequence[Reader]) -> PlaceIndex:
        def turned(of: str) -> dict[str, Readers]:
            index: dict[str, Readers] = {}
            for reader in readers:
                for place in getattr(reader.places, of):
                    index[place] = (*index.get(place, _NOBODY), reader)
            return index

        return PlaceIndex(
            paths=turned("paths"),
            folders=turned("folders"),
            names=turned("names"),
            endings=turned("endings"),
            executables=tuple(reader for reader in readers if reader.places.executables),
        )

    def readers(self, path: str, folder: str, name: str, mode: int) -> Readers:
        """Of one file, each once. Runs for every file of every layer."""
        found = self.names.get(name, _NOBODY)
        dot = name.rfind(".")
        if dot >= 0 and (more := self.endings.get(name[dot:])) is not None:
            found += more
        if (more := self.folders.get(folder)) is not None:
            found += more
        if path in self.paths:
            found += self.paths[path]
        if mode & _EXECUTABLE and self.executables:
            found += self.executables
        return tuple(dict.fromkeys(found)) if len(found) > 1 else found
