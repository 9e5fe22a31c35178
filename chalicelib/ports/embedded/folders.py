"""Folders that come and go with the objects in them."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from typing import Final

# A folder can be removed, being empty, between its making and its use; each round makes it again.
_ROUNDS: Final = 100


class Folders:
    """The tree below one bucket's folder.

    `_durable` holds the folders whose own names are known to be on the disk, so that a new object costs one sync of
    its folder and not one of each folder above it.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._durable = {root}
        self._lock = threading.Lock()

    def fill(self, folder: str, make: Callable[[], None]) -> None:
        """Calls `make`, which puts a name into the folder, and makes the folder as long as it is missing."""
        for _ in range(_ROUNDS):
            try:
                return make()
            except FileNotFoundError:
                self._forget(folder)
                try:
                    os.makedirs(folder, mode=0o700, exist_ok=True)
                except FileExistsError as error:
                    # Also raised where the folder itself went away between its making and makedirs' second look.
                    if _is_no_folder(folder):
                        raise NotADirectoryError(folder) from error
                except FileNotFoundError:
                    continue  # a folder above went away meanwhile
        return make()

    def sync(self, folder: str) -> None:
        """The names in the folder, and those of the folders above it, are on the disk."""
        sync_folder(folder)
        if folder in self._durable:
            return
        above = folder
        while above != self._root:
            above = os.path.dirname(above)
            sync_folder(above)
        with self._lock:
            self._durable.add(folder)

    def prune(self, folder: str) -> None:
        """Removes the folder and those above it as far as they are empty."""
        while folder != self._root:
            self._forget(folder)
            try:
                os.rmdir(folder)
            except OSError:
                return  # not empty, or somebody else removed it and goes on upwards
            folder = os.path.dirname(folder)

    def _forget(self, folder: str) -> None:
        with self._lock:
            self._durable.discard(folder)


def _is_no_folder(path: str) -> bool:
    """Whether something else stands there. One look: between two the folder may go away."""
    try:
        return not stat.S_ISDIR(os.stat(path).st_mode)
    except FileNotFoundError:
        return False


def sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
