"""Whether a layer is what its table of contents says, to the last byte.

footer ─► table of contents ─► its digest ─► names and links ─► every member ─► digests of chunks and of files
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from .gunzip import gunzipped
from .models import NO_PREFETCH, PREFETCH
from .toc import Read, Toc, TocEntry, chunks_of, read_toc, unsound

_PIECE_BYTES: Final = 1024 * 1024
_TYPES: Final = frozenset(("dir", "reg", "symlink", "hardlink", "char", "block", "fifo", "chunk"))
_LINKS_MOST: Final = 1000


def verify(read: Read, size: int, toc_digest: str = "") -> Toc:
    """
    read        bytes of the blob, by offset and length
    toc_digest  what the image's manifest says it is; "" to take the layer's word for it

    Raises LayerUnsound, and what `read` raises.
    """
    return verified(read, read_toc(read, size), toc_digest)


def verified(read: Read, toc: Toc, toc_digest: str = "") -> Toc:
    """The same of one whose table of contents was read."""
    if toc_digest and toc.digest != toc_digest:
        unsound(f"its table of contents is {toc.digest}, not {toc_digest}")
    _check_names(toc)
    _check_chunks(read, toc)
    return toc


def _check_names(toc: Toc) -> None:
    named: dict[str, TocEntry] = {}
    for entry in toc.entries:
        if entry.type not in _TYPES:
            unsound(f"{entry.name} is a {entry.type!r}")
        if entry.type == "chunk":
            continue
        if entry.path in named:
            unsound(f"{entry.name} is told of twice")
        named[entry.path] = entry
    for entry in named.values():
        target, steps = entry, 0
        while target.type == "hardlink":
            steps += 1
            path = "/".join(part for part in target.link_name.split("/") if part not in ("", "."))
            if path not in named or named[path].type == "dir" or steps > _LINKS_MOST:
                unsound(f"{entry.name} links to {target.link_name}, which it does not have")
            target = named[path]
    if (PREFETCH in named) == (NO_PREFETCH in named):
        unsound("it has no landmark, or two")


def _check_chunks(read: Read, toc: Toc) -> None:
    bytes_of = _Bytes(read)
    chunks = list(chunks_of(toc))
    ends = [0, *(chunk.offset for _, chunk, _ in chunks), toc.offset]
    if any(begin >= end for begin, end in pairwise(ends)):
        unsound("two of its chunks begin at one place, or in disorder")
    if len(ends) > 1:
        for _ in gunzipped(bytes_of.up_to(ends[1])):
            pass
    whole = hashlib.sha256()
    for (file, chunk, size), end in zip(chunks, ends[2:], strict=True):
        if not chunk.chunk_offset:
            whole = hashlib.sha256()
        digest, left = hashlib.sha256(), size
        for block in gunzipped(bytes_of.up_to(end)):
            part = block[:left]
            digest.update(part)
            whole.update(part)
            left -= len(part)
        if left or f"sha256:{digest.hexdigest()}" != chunk.chunk_digest:
            unsound(f"{file.name} is not what it should be at {chunk.chunk_offset}")
        if chunk.chunk_offset + size == file.size and f"sha256:{whole.hexdigest()}" != file.digest:
            unsound(f"{file.name} is not what it should be")


class _Bytes:
    """The blob from its beginning, in pieces that end where they are told to."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._at = 0

    def up_to(self, end: int) -> Iterator[bytes]:
        while self._at < end:
            piece = self._read(self._at, min(_PIECE_BYTES, end - self._at))
            if not piece:
                unsound("it ends before it is through")
            self._at += len(piece)
            yield piece
