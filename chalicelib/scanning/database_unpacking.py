"""Takes `trivy.db` and `metadata.json` out of a packed database, as it arrives, and nothing else.

    bytes ─► gunzip, a piece at a time ─► tar headers ─► the two files, under names of ours, each within its bound

The archive names no path: whatever a member is called, it is one of two names or is passed over. Archives are written
by one program (Trivy's database builder), so plain headers are all that is understood.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chalicelib.advisories.database import DATABASE_FILE, METADATA_FILE
from chalicelib.kernel.errors import Invalid

_GIB: Final = 1024**3
_BLOCK: Final = 512
_PIECE: Final = 1024 * 1024
_GZIP: Final = 31  # zlib's word for a gzip header
_NUL: Final = bytes(_BLOCK)


@dataclass(frozen=True, slots=True)
class Bounds:
    """In bytes. The database had 0.7 GiB in 2026; the archive has the two files and nothing else worth its room."""

    database: int = 4 * _GIB
    metadata: int = 64 * 1024
    archive: int = 5 * _GIB


def unpack(chunks: Iterable[bytes], folder: Path, bounds: Bounds | None = None) -> None:
    """Writes both files into the folder. Reads `chunks` to their end, so that whoever yields them can compare digests.

    Raises Invalid naming `archive` for what is none, is too large, or lacks one of the two.
    """
    limits = bounds or Bounds()
    wanted = {DATABASE_FILE: limits.database, METADATA_FILE: limits.metadata}
    arriving = iter(chunks)
    tar = _Tar(_gunzipped(arriving, limits.archive))
    while (member := tar.next_member()) is not None:
        name, size = member
        limit = wanted.pop(name, None)
        if limit is None:
            tar.skip(size + -size % _BLOCK)
            continue
        if size > limit:
            raise _refused(f"{name} has {size} bytes, and may have {limit}")
        with (folder / name).open("xb") as file:
            for piece in tar.read(size):
                file.write(piece)
        tar.skip(-size % _BLOCK)
    for _ in arriving:  # Behind the end of the archive there may be more, which counts for the digest.
        pass
    if wanted:
        raise _refused(f"{' and '.join(sorted(wanted))} is not in it")


class _Tar:
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = memoryview(b"")

    def next_member(self) -> tuple[str, int] | None:
        """Last segment of a file's name, or "" for what is no file; its size in bytes. None at the end."""
        header = b"".join(self.read(_BLOCK))
        if header == _NUL:
            return None
        total = sum(header) - sum(header[148:156]) + 8 * ord(" ")
        if _octal(header[148:156]) != total:
            raise _refused("it is no tar archive")
        size = _octal(header[124:136])
        name = header[:100].partition(b"\0")[0].decode("utf-8", "replace")
        is_file = header[156:157] in (b"0", b"\0")
        return (name.removeprefix("./") if is_file else ""), size

    def read(self, size: int) -> Iterator[bytes]:
        """So many bytes. Raises Invalid where there are less."""
        left = size
        while left:
            if not self._held:
                self._held = memoryview(next(self._pieces, b""))
                if not self._held:
                    raise _refused("it ends before it is through")
            piece, self._held = self._held[:left], self._held[left:]
            left -= len(piece)
            yield bytes(piece)

    def skip(self, size: int) -> None:
        for _ in self.read(size):
            pass


def _gunzipped(chunks: Iterator[bytes], most: int) -> Iterator[bytes]:
    """In pieces of a MiB at most, however much a few bytes stand for."""
    opening, total = zlib.decompressobj(_GZIP), 0
    try:
        for chunk in chunks:
            left = chunk
            while left and not opening.eof:
                piece = opening.decompress(left, _PIECE)
                left, total = opening.unconsumed_tail, total + len(piece)
                if total > most:
                    raise _refused(f"it unpacks to more than {most} bytes")
                if piece:
                    yield piece
    except zlib.error as broken:
        raise _refused("it is not packed with gzip, or is damaged") from broken


def _octal(field: bytes) -> int:
    text = field.strip(b" \0")
    if not text or not text.isdigit() or b"8" in text or b"9" in text:
        raise _refused("a header of it is damaged")
    return int(text, 8)


def _refused(why: str) -> Invalid:
    return Invalid("archive", f"the packed database cannot be used: {why}")
