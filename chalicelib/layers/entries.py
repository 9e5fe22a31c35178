"""What a layer is read as, and under which limits.

    bytes of a blob ─► decompress ─► walk: Entry, Entry, … ─► whoever wants a file's content reads it before the next

Whatever is wrong with a layer raises LayerRefused, whose reason is a word that programs know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Final, Literal, Protocol

from chalicelib.kernel.errors import Refused

Kind = Literal["file", "folder", "link", "symlink", "device", "fifo"]
Reason = Literal[
    "corrupt",  # its bytes are no archive, or not the compression they begin like
    "truncated",  # it ends before it is through
    "unsupported_compression",
    "too_large",  # bytes of the layer, or of a file that has to be read
    "too_many_entries",
    "too_deep",  # archives inside archives
    "too_long",  # wall time
]

MIB: Final = 1024 * 1024


class LayerRefused(Refused):
    """A layer that cannot be examined. The message says which file and which limit, where there is one."""

    code = "LAYER_REFUSED"
    status = 422

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message, reason=reason)
        self.reason: Reason = reason


class FileRefused(LayerRefused):
    """A single file that is larger than files that are read. Nothing of it was: the layer goes on after it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Absolute ones, of one layer: a ratio would refuse honest sparse files.

    bytes_most    of the layer, uncompressed
    file_bytes    of a file whose content is read
    memory_bytes  of a file's content held in memory; more of it lies in a temporary file without a name
    nesting       archives inside archives
    seconds       from the first byte on
    """

    bytes_most: int = 64 * 1024 * MIB
    entries: int = 2_000_000
    file_bytes: int = 512 * MIB
    memory_bytes: int = 8 * MIB
    nesting: int = 4
    seconds: float = 240.0


class Entry(Protocol):
    """One entry of a layer. Its content can be read until the next one is asked for, and once.

    path      without a leading `./` or `/`, segments joined by one `/`, as the archive names it otherwise; entries that
              name no path below the root (empty, `..`) never appear
    size      of the content in bytes; 0 for everything but files
    target    of a link (a path like `path`) or symlink (as written); "" for others
    """

    path: str
    kind: Kind
    size: int
    mode: int
    target: str

    def peek(self, size: int) -> bytes:
        """The content's first bytes, at most 4 KiB; what is read afterwards begins with them all the same.

        Raises what `content` raises, where there are holes in the file.
        """
        ...

    def content(self) -> BinaryIO:
        """The whole content, seekable; closed with the next entry.

        Raises FileRefused; LayerRefused (truncated, corrupt …).
        """
        ...
