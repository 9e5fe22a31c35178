"""A file being read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from chalicelib.kernel.errors import Unavailable

_PIECE_BYTES: Final = 1024 * 1024


class FileReading:
    """See `ports.objects.Reading`. Owns the descriptor."""

    __slots__ = ("_end", "_start", "descriptor", "size")

    def __init__(self, descriptor: int, size: int, start: int, end: int | None) -> None:
        self.descriptor: int | None = descriptor
        self.size = size
        self._start = start
        self._end = size if end is None else min(end, size)

    def chunks(self) -> Iterator[bytes]:
        position = self._start
        while position < self._end:
            if self.descriptor is None:
                raise Unavailable("the object was closed while it was read")
            try:
                piece = os.pread(self.descriptor, min(_PIECE_BYTES, self._end - position), position)
            except OSError as error:
                raise Unavailable(f"the object cannot be read: {error.strerror}") from error
            if not piece:
                raise Unavailable("the object is shorter than it was")
            position += len(piece)
            yield piece

    def close(self) -> None:
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()
