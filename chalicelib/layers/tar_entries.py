"""An entry of a tar archive that is just being passed: its content is there until the next one is asked for."""

from __future__ import annotations

import io
import tempfile
from typing import BinaryIO, Final

from . import headers
from .entries import MIB, FileRefused, Kind, LayerRefused, Limits
from .source import Source
from .sparse import Sparse

PEEK_BYTES: Final = 4096


class TarEntry:
    """An `Entry`. modified: seconds since 1970, which chmod and chown leave alone."""

    __slots__ = ("_content", "_holes", "_left", "_limits", "_source", "_stored", "kind", "mode", "modified", "path",
                 "size", "target")  # fmt: skip

    path: str
    kind: Kind
    size: int
    mode: int
    target: str
    modified: int

    def __init__(self, source: Source, limits: Limits, stored: int, holes: Sparse | None) -> None:
        self._source: Source | None = source
        self._limits = limits
        self._stored = stored
        self._left = stored
        self._holes = holes
        self._content: BinaryIO | None = None

    def peek(self, size: int) -> bytes:
        """The content's first bytes, at most 4 KiB; what is read afterwards begins with them all the same."""
        size = min(size, PEEK_BYTES, self.size)
        if size <= 0:
            return b""
        if self._holes is None and self._content is None:
            return self._here().ahead(size)
        content = self.content()
        start = content.read(size)
        content.seek(0)
        return start

    def content(self) -> BinaryIO:
        """The whole content, seekable, from its beginning; closed with the next entry. Asked for again, it is the same
        file. Raises FileRefused, LayerRefused (truncated, corrupt)."""
        source = self._here()
        if self._content is None:
            self._content = self._read(source)
        self._content.seek(0)
        return self._content

    def _read(self, source: Source) -> BinaryIO:
        if self.size > self._limits.file_bytes:
            most = self._limits.file_bytes // MIB
            raise FileRefused("too_large", f"{self.path} has {self.size // MIB} MiB; files of up to {most} are read.")
        if self._holes is None and self.size <= self._limits.memory_bytes:
            data = source.take(self.size)
            self._left -= len(data)
            self._complete(len(data))
            return io.BytesIO(data)
        file = io.BytesIO() if self.size <= self._limits.memory_bytes else tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._write(file, source)
        except BaseException:
            file.close()
            raise
        return file

    def _write(self, file: BinaryIO, source: Source) -> None:
        if self._holes is not None:
            file.truncate(self.size)
            self._left -= self._holes.fill(file, source, self._stored)
            file.seek(0, io.SEEK_END)
            file.write(bytes(self.size - file.tell()) if isinstance(file, io.BytesIO) else b"")
            return
        for part in source.parts(self.size):
            file.write(part)
            self._left -= len(part)
        self._complete(self.size - self._left)

    def _complete(self, read: int) -> None:
        if read < self.size:
            raise LayerRefused("truncated", f"The layer ends in the middle of {self.path}.")

    def _here(self) -> Source:
        if self._source is None:
            raise ValueError(f"{self.path} was passed by")
        return self._source

    def close(self) -> None:
        if self._content is not None:
            self._content.close()
            self._content = None

    def leave(self) -> None:
        """Passes over what nobody asked for."""
        source, self._source = self._here(), None
        if self._left and source.skip(self._left):
            raise LayerRefused("truncated", f"The layer ends in the middle of {self.path or 'an entry'}.")
        # Of the last entry some writers leave the padding out.
        source.skip(-self._stored % headers.BLOCK)
