"""Looks at every entry of one layer, once, in the order in which the layer has them.

    look(entry) … look(entry) ─► finish() ─► LayerInventory

Most entries concern nobody: they cost a few dictionary look-ups. What a reader fails at is a problem of that file.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import islice
from typing import BinaryIO, Final

from chalicelib.layers.entries import MIB, Entry, FileRefused, Kind, LayerRefused

from .models import Found, LayerInventory
from .places import PlaceIndex
from .reading import MOST_PACKAGES, Reader, Told

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_NOT_A_FILE: Final = frozenset({"link", "symlink", "device", "fifo"})
# Of a problem's text: what was wrong, not what the file said.
_LONGEST_PROBLEM: Final = 300
_MOST_PROBLEMS: Final = 1_000
# Bytes of all that a layer tells, a hundred times what the largest tell; and of what each path takes beside its text.
_MOST_TOLD: Final = 128 * MIB
_PATH_BYTES: Final = 64
# Files that the system's packages say are theirs. The largest images have half a million.
_MOST_OWNED: Final = 5_000_000
# Installed by the system's packages, of which distroless images keep no list of files.
_DISTROLESS: Final = (
    "usr/lib/python2.7/argparse.egg-info",
    "usr/lib/python2.7/lib-dynload/Python-2.7.egg-info",
    "usr/lib/python2.7/wsgiref.egg-info",
)


class _Pretended:
    """A file where something else lies: readers tell whether it hides one of theirs."""

    kind: Kind = "file"
    size = 1
    mode = 0o755
    target = ""

    def __init__(self, path: str) -> None:
        self.path = path

    def peek(self, size: int) -> bytes:
        return b""

    def content(self) -> BinaryIO:
        return BytesIO()


class LayerInspector:
    """readers: tried on each file; all there are, but for tests.

    Memory: what was found, deleted and linked, plus 8 bytes for each file that the system's packages say is theirs.
    All of it is bounded, whatever a layer says.
    """

    def __init__(self, readers: Sequence[Reader] | None = None) -> None:
        if readers is None:
            from .readers import READERS

            readers = READERS
        self._concerned = PlaceIndex.over(readers).readers
        self._entries = 0
        self._size = 0
        self._packages = 0
        self._told = 0
        self._found: dict[tuple[str, str], Found] = {}
        self._whiteouts: list[str] = []
        self._opaque: list[str] = []
        self._replaced: dict[str, None] = {}
        self._links: list[tuple[str, str]] = []
        self._problems: dict[str, str] = {}
        # Hashes of paths by owner: whether a found path is among them is all that is ever asked.
        self._owned: dict[str, array[int]] = {}
        self._owned_count = 0

    def look(self, entry: Entry) -> None:
        """Raises LayerRefused: the layer itself is broken, or holds more than any image does."""
        self._entries += 1
        self._size += entry.size
        kind = entry.kind
        if kind == "folder":
            return
        path = entry.path
        folder, _, name = path.rpartition("/")
        if name[:4] == _WHITEOUT:
            self._note_whiteout(folder, name)
        elif kind in _NOT_A_FILE:
            self._note_other(entry)
        elif readers := self._concerned(path, folder, name, entry.mode):
            self._look_into(path, readers, entry)

    def finish(self) -> LayerInventory:
        """Once, when there are no more entries."""
        self._follow_links()
        owned = self._owned_paths()
        found = {path for path, _ in self._found}
        return LayerInventory(
            found=tuple(
                each.model_copy(update={"owned": True}) if each.packages and each.path in owned else each
                for _, each in sorted(self._found.items())
            ),
            whiteouts=tuple(sorted(self._whiteouts)),
            opaque=tuple(sorted(self._opaque)),
            replaced=tuple(sorted(path for path in self._replaced if path not in found)),
            problems=dict(sorted(self._problems.items())),
            entries=self._entries,
            size=self._size,
        )

    def _note_whiteout(self, folder: str, name: str) -> None:
        self._weigh(len(folder) + len(name) + _PATH_BYTES)
        if name == _OPAQUE:
            self._opaque.append(folder)
        elif not name.startswith(_WHITEOUT * 2):
            hidden = name.removeprefix(_WHITEOUT)
            self._whiteouts.append(f"{folder}/{hidden}" if folder else hidden)

    def _note_other(self, entry: Entry) -> None:
        """Links, devices: nothing is read from them, but what lay there before is gone.

        A symbolic link near the root may stand where a folder was (`lib`), with all that was found in it.
        """
        path = entry.path
        folder, _, name = path.rpartition("/")
        if entry.kind == "link":
            self._weigh(len(path) + len(entry.target) + _PATH_BYTES)
            self._links.append((path, entry.target))
        readers = self._concerned(path, folder, name, 0o755)
        if "/" not in folder or any(reader.wants(_Pretended(path)) for reader in readers):
            self._replace(path)

    def _replace(self, path: str) -> None:
        """What a lower layer had there is gone."""
        self._weigh(len(path) + _PATH_BYTES)
        self._replaced[path] = None

    def _weigh(self, size: int) -> None:
        """Raises LayerRefused: beyond what any image has, a layer is made to fill memory."""
        self._told += size
        if self._told > _MOST_TOLD:
            raise LayerRefused("too_large", "The layer tells of more packages and paths than any image has.")

    def _look_into(self, path: str, readers: Sequence[Reader], entry: Entry) -> None:
        try:
            wanting = [reader for reader in readers if reader.wants(entry)]
            content = entry.content() if wanting else None
        except FileRefused as refused:
            # What it holds nobody knows: neither nothing nor what a lower layer had there.
            self._note_problem(path, str(refused))
            self._replace(path)
            return
        if content is not None:
            self._read(path, wanting, content, entry)

    def _read(self, path: str, readers: Sequence[Reader], content: BinaryIO, entry: Entry) -> None:
        for reader in readers:
            content.seek(0)
            try:
                told = reader.read(path, content, entry)
                self._note(path, reader.name, told)
            except LayerRefused:
                raise
            except Exception as error:  # whatever a hostile file makes a reader do; the layer's other files count
                self._note_problem(path, f"{reader.name}: {str(error) or type(error).__name__}")
                self._replace(path)

    def _note(self, path: str, reader: str, told: Told) -> None:
        if told.problem:
            self._note_problem(path, f"{reader}: {told.problem}")
        self._own(told.owner, told.owns)
        if not told.packages and not told.facts:
            if not told.owner:
                self._replace(path)
            return
        found = Found(path=path, reader=reader, packages=tuple(told.packages), facts=told.facts)
        self._packages += len(told.packages)
        # Written down now, a text that is none (half a surrogate pair, out of JSON) is this file's problem alone.
        self._weigh(len(found.model_dump_json()))
        if self._packages > MOST_PACKAGES:
            raise LayerRefused("too_large", "The layer tells of more packages than any image has.")
        self._found[path, reader] = found

    def _note_problem(self, path: str, text: str) -> None:
        if len(self._problems) < _MOST_PROBLEMS:
            # A reader's message may quote a file that says what is no text.
            self._problems[path] = text[:_LONGEST_PROBLEM].encode("utf-8", "replace").decode()

    def _own(self, owner: str, paths: Iterable[str]) -> None:
        hashes = array("q", islice(map(hash, paths), _MOST_OWNED + 1 - self._owned_count))
        self._owned_count += len(hashes)
        if self._owned_count > _MOST_OWNED:
            raise LayerRefused("too_large", "The layer's packages name more files than any image has.")
        if hashes:
            self._owned.setdefault(owner, array("q")).extend(hashes)

    def _owned_paths(self) -> set[str]:
        """Of the paths found, those that packages of the system own."""
        asked = {hash(path): path for path, _ in self._found}
        confirmed = {""}
        for each in self._found.values():
            for package in each.packages:
                if each.reader == "dpkg" and not package.third_party:
                    exact = package.name in self._owned
                    confirmed.add(package.name if exact else f"{package.name}:{package.arch}")
        owned = {path for path in _DISTROLESS if hash(path) in asked}
        for owner in confirmed & self._owned.keys():
            owned.update(asked[each] for each in self._owned[owner] if each in asked)
        return owned

    def _follow_links(self) -> None:
        """A hard link is the file itself under another name, where readers may look for it too."""
        for path, target in self._links:
            folder, _, name = path.rpartition("/")
            for reader in self._concerned(path, folder, name, 0o755):
                original = self._found.get((target, reader.name))
                if original and (path, reader.name) not in self._found:
                    self._found[path, reader.name] = _renamed(original, path)


def _renamed(found: Found, path: str) -> Found:
    packages = tuple(
        package.model_copy(update={"path": path + package.path.removeprefix(found.path)})
        if package.path.startswith(found.path)
        else package
        for package in found.packages
    )
    return found.model_copy(update={"path": path, "packages": packages})
