"""Which files of an image its container needs to start, layer by layer.

    config ─► words ─► script ─► its interpreter ─┐
                       program ───────────────────┴─► loader, libraries, their libraries, …

What a program opens by itself later is not seen here: a list traced by its users says that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from chalicelib.layers.entries import MIB

from .commands import Command, command_of, interpreter_words
from .elf import Elf
from .libraries import list_of_loader, own_folders, usual_folders
from .looking import Start
from .tree import MOST_ENTRIES, TooMuch, Tree, Way

# Whatever runs a container looks its user up.
_USERS: Final = ("/etc/passwd", "/etc/group")


class Bounds(NamedTuple):
    """Of what is found in an image.

    files    and symlinks on the way to them
    bytes    of all of them, which are fetched before the container starts: more is better fetched as it is read
    ways     paths followed, a hundred times what LibreOffice needs, and two seconds at worst
    entries  that an image may have for anything to be found
    """

    files: int = 5_000
    bytes: int = 256 * MIB
    ways: int = 50_000
    entries: int = MOST_ENTRIES


USUAL: Final = Bounds()


def first_files(config: Mapping[str, Any], layers: Sequence[bytes], bounds: Bounds = USUAL) -> list[tuple[str, ...]]:
    """Of each layer, in the order they are needed, each once, with the symlinks on the way to them.

    config  of the image; nonsense in it leads to nothing
    layers  their starts, as `look` made them, lowest first; b"" for one of which nothing is known
    Raises ValueError for what `look` did not make.
    """
    try:
        tree = Tree(layers, bounds.entries)
    except TooMuch:
        return [()] * len(layers)
    files = _Files(len(layers), bounds)
    _Search(tree, command_of(config), files).run()
    return files.by_layer()


def listed_files(files: Sequence[str], layers: Sequence[bytes]) -> list[tuple[str, ...]]:
    """The same of files that a user listed, in that order. What the image does not have, and folders, are passed over.

    With a program comes its loader, with a script its interpreter: Linux opens them itself, and traces do not tell.

    files   paths, with or without `/` in front
    Raises ValueError for what `look` did not make.
    """
    try:
        tree = Tree(layers)
    except TooMuch:
        return [()] * len(layers)
    listed = _Files(len(layers))
    for path in files:
        way = tree.way("/" + path)
        # Linux goes on from script to script five times.
        for _ in range(6):
            if way is None:
                break
            listed.add(way)
            way = tree.way(opened) if (opened := _opened_with(way.file)) else None
    return listed.by_layer()


def _opened_with(file: Start) -> str:
    if not file.executable:
        return ""
    elf = file.elf
    return elf.interpreter if elf else file.interpreter.partition(" ")[0]


class _Files:
    """What was found, in its order."""

    def __init__(self, layers: int, bounds: Bounds = USUAL) -> None:
        self.bounds = bounds
        self._found: list[dict[str, None]] = [{} for _ in range(layers)]
        self._bytes = 0
        self._count = 0

    def add(self, way: Way) -> None:
        for layer, path in way.passed:
            if path not in self._found[layer]:
                self._found[layer][path] = None
                self._count += 1

    def add_within_bounds(self, way: Way) -> None:
        layer, path = way.passed[-1]
        size = 0 if path in self._found[layer] else way.file.size
        if self._count < self.bounds.files and self._bytes + size <= self.bounds.bytes:
            self._bytes += size
            self.add(way)

    def by_layer(self) -> list[tuple[str, ...]]:
        return [tuple(found) for found in self._found]


class _Search:
    def __init__(self, tree: Tree, command: Command, files: _Files) -> None:
        self._tree = tree
        self._command = command
        self._files = files
        self._ways = 0
        self._run: set[str] = set()

    def run(self) -> None:
        for number, word in enumerate(self._command.words):
            way = self._program(word) if number == 0 else self._argument(word)
            if way is None:
                continue
            if not self._run:
                for path in _USERS:
                    self._take(path)
            self._follow(way)

    def _way(self, path: str, folder: str = "") -> Way | None:
        self._ways += 1
        return self._tree.way(path, folder) if self._ways <= self._files.bounds.ways else None

    def _take(self, path: str) -> None:
        if way := self._way(path):
            self._files.add_within_bounds(way)

    def _program(self, word: str) -> Way | None:
        """As execvp finds it."""
        if "/" in word:
            return self._way(word, self._command.folder)
        if not word:
            return None
        ways = (self._way(f"{folder}/{word}") for folder in self._command.programs)
        return next((way for way in ways if way and way.file.executable), None)

    def _argument(self, word: str) -> Way | None:
        """A file if there is one; a program, where one is given to another that runs it."""
        return self._way(word, self._command.folder) or self._program(word)

    def _follow(self, way: Way) -> None:
        """A program or script, and what it takes to run it."""
        waiting = [way]
        while waiting:
            way = waiting.pop()
            self._files.add_within_bounds(way)
            if way.path in self._run:
                continue
            self._run.add(way.path)
            if (elf := way.file.elf) is not None:
                self._load(way, elf)
            words = interpreter_words(way.file.interpreter)
            waiting += [found for word in reversed(words) if (found := self._program(word))]

    def _load(self, program: Way, elf: Elf) -> None:
        """What its loader loads, in its order: the program's libraries first, then theirs."""
        if not elf.interpreter:
            return
        self._take(elf.interpreter)
        self._take(list_of_loader(elf.interpreter))
        loaded = {elf.interpreter.rpartition("/")[2]}
        handed_on = own_folders(elf, _origins(program))
        waiting = deque([(program, elf)])
        while waiting:
            way, needing = waiting.popleft()
            folders = (*own_folders(needing, _origins(way)), *handed_on, *self._command.libraries)
            for name in needing.needed:
                if name in loaded:
                    continue
                loaded.add(name)
                found = self._library(name, elf, folders)
                if found is None:
                    continue
                own_name = found[1].name or name
                if own_name == name or own_name not in loaded:
                    loaded.add(own_name)
                    self._files.add_within_bounds(found[0])
                    waiting.append(found)

    def _library(self, name: str, program: Elf, folders: Sequence[str]) -> tuple[Way, Elf] | None:
        """The first that fits: of another processor's, or of other bits, loaders pass it over."""
        for path in self._places(name, program, folders):
            way = self._way(path, self._command.folder)
            if way and (elf := way.file.elf) and (elf.machine, elf.wide) == (program.machine, program.wide):
                return way, elf
        return None

    def _places(self, name: str, program: Elf, folders: Sequence[str]) -> Iterator[str]:
        if "/" in name:
            return iter((name,))
        return (f"{folder}/{name}" for folder in dict.fromkeys(chain(folders, usual_folders(program))))


def _origins(way: Way) -> tuple[str, ...]:
    """Folders that a file lies in: where it was found through symlinks, and where it is."""
    paths = (way.path, *(path for _, path in way.passed))
    return tuple(dict.fromkeys("/" + path.rpartition("/")[0] for path in paths))
