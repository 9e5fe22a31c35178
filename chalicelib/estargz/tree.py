"""What a layer's names come to once all of it is unpacked: later entries replace earlier ones.

A table of contents knows each name once, and no order. What unpacking an archive makes of its order has to come to the
same, or the layer is refused.
"""

from __future__ import annotations

import hashlib
from typing import Final

from .archive import Item
from .models import ENTRIES_MOST, ConversionRefused

# Two names with one such digest would be a broken hash function.
_DIGEST_BYTES: Final = 16
_FOLDER, _IMPLIED = 1, -1


def key(path: str) -> bytes:
    """Names are known by digests of the same length: memory must not depend on how long they are."""
    return hashlib.blake2b(path.encode(), digest_size=_DIGEST_BYTES).digest()


class Tree:
    """superseded: entries, by number, that a later one of the same name replaces."""

    def __init__(self) -> None:
        # Number of the entry times two, and one more for folders.
        self._names: dict[bytes, int] = {}
        self._linked: set[int] = set()
        self._parent = ""
        self.superseded: set[int] = set()

    def add(self, item: Item, number: int) -> None:
        """Raises ConversionRefused (unsupported_entry, too_many_entries)."""
        path, folder = item.path, item.kind == "dir"
        if not path:
            self._root(item)
        else:
            self._below(path)
        name = key(path)
        known = self._names.get(name)
        if known is not None:
            self._replace(path, known, folder)
        if item.kind == "hardlink":
            self._link(item)
        self._know(name, number * 2 + folder)

    def _root(self, item: Item) -> None:
        if item.kind != "dir":
            _refuse(f"The layer's root is an entry of type {item.kind}.")

    def _below(self, path: str) -> None:
        """Folders may be missing. Anything else that stands where one should be leads elsewhere."""
        parent = path.rpartition("/")[0]
        while parent and parent != self._parent:
            name = key(parent)
            known = self._names.get(name)
            if known is None:
                self._know(name, _IMPLIED * 2 + _FOLDER)
            elif not known & _FOLDER:
                _refuse(f"{path} lies below {parent}, which is no folder in the layer.")
            else:
                # And so are those above it: no folder becomes anything else.
                break
            parent = parent.rpartition("/")[0]
        self._parent = path.rpartition("/")[0]

    def _know(self, name: bytes, entry: int) -> None:
        self._names[name] = entry
        if len(self._names) > ENTRIES_MOST:
            raise ConversionRefused(
                "too_many_entries", f"The layer has more than {ENTRIES_MOST} names, with folders that it does not list."
            )

    def _replace(self, path: str, known: int, folder: bool) -> None:
        if known & _FOLDER and not folder:
            _refuse(f"{path} is a folder in the layer, and later something else.")
        number = known >> 1
        if number in self._linked:
            _refuse(f"{path} is replaced in the layer after it was linked to.")
        if number >= 0:
            self.superseded.add(number)

    def _link(self, item: Item) -> None:
        known = self._names.get(key(item.target), _IMPLIED * 2 + _FOLDER)
        if item.target == item.path or known & _FOLDER:
            _refuse(f"{item.path} is a link to {item.target or 'the root'}, which stands not before it in the layer.")
        self._linked.add(known >> 1)


def _refuse(message: str) -> None:
    raise ConversionRefused("unsupported_entry", message)
