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

_JOINT: Final = "+"
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

    def add(self, bucket: str, key: str) -> None:
        """Repeating it is harmless. Raises ValueError if the key is too long for a file's name."""
        name = _JOINT.join((bucket, *key.split("/")))
        if len(name) > _NAME_LIMIT_BYTES:
            raise ValueError(f"{key} is too long for an event")
        os.close(os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

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
