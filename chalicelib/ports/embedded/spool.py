"""Object events: a push object's creation leaves an empty file in one flat folder, from where the host's pump takes it.

The file's name is the bucket and the key, joined by `+`, which neither may hold. A file may be lost with the power
(the outbox's sweeper repairs that) or be seen twice (a crash between handling and `done`); handlers bear both.
"""

from __future__ import annotations

import contextlib
import os
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from .writing import empty_file

_JOINT: Final = "+"
# The one file whose further names are empty objects and waiting events; made anew where it is missing.
EMPTY: Final = "+empty"
_NAME_LIMIT_BYTES: Final = 255


class Spooled(NamedTuple):
    """An object that was created, and the file that says so."""

    bucket: str
    key: str
    path: Path


class Spool:
    """The folder is made if it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        self._empty = empty_file(str(folder.with_name(EMPTY)))

    def add(self, bucket: str, key: str) -> None:
        """Repeating it is harmless. Raises ValueError if the key is too long for a file's name."""
        name = _JOINT.join((bucket, *key.split("/")))
        if len(name) > _NAME_LIMIT_BYTES:
            raise ValueError(f"{key} is too long for an event")
        path = f"{self._folder}/{name}"
        try:
            os.link(self._empty, path)
        except FileExistsError:
            return
        except OSError:  # the file system gives one file only so many names (65 000 on ext4)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def take(self, limit: int) -> list[Spooled]:
        """Some of what waits, in no promised order. Each is given again until it is `done`."""
        with os.scandir(self._folder) as entries:
            return [self._spooled(entry.name) for entry in islice(entries, limit)]

    def done(self, path: Path) -> None:
        """Repeating it is harmless."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

    def _spooled(self, name: str) -> Spooled:
        bucket, *segments = name.split(_JOINT)
        return Spooled(bucket, "/".join(segments), self._folder / name)
