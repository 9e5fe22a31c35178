"""The table of contents while it is written: a line an entry, on the disk once there are many."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from typing import IO, Final, cast

from chalicelib.layers.headers import BLOCK

from .models import TOC_BYTES_MOST, TOC_NAME, ConversionRefused
from .rewriting import header

_SPOOL_BYTES: Final = 8 * 1024 * 1024
_START: Final = b'{"version":1,"entries":['
_END: Final = b"]}"


class Table:
    def __init__(self) -> None:
        self._file = cast(IO[bytes], tempfile.SpooledTemporaryFile(_SPOOL_BYTES))  # noqa: SIM115
        self._bytes = 0

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, text: str) -> None:
        """A row, with no end of a line in it: JSON escapes those of names."""
        line = text.encode() + b"\n"
        self._bytes += len(line)
        if self._bytes > TOC_BYTES_MOST:
            most = TOC_BYTES_MOST // 1024 // 1024
            raise ConversionRefused("too_many_entries", f"The layer's table of contents has more than {most} MiB.")
        self._file.write(line)

    def archive(self, superseded: set[int]) -> tuple[bytearray, str]:
        """The tar that holds it without the rows of these numbers, and the digest of its JSON."""
        size = len(_START) + sum(len(line) for line in self._kept(superseded)) - 1 + len(_END)
        archive = bytearray(BLOCK + size + -size % BLOCK + 2 * BLOCK)
        archive[:BLOCK] = header(TOC_NAME.encode(), size)
        at = BLOCK + len(_START)
        archive[BLOCK:at] = _START
        for line in self._kept(superseded):
            archive[at : at + len(line)] = line
            at += len(line)
        # The last comma is one too many.
        archive[at - 1 : at - 1 + len(_END)] = _END
        digest = hashlib.sha256(memoryview(archive)[BLOCK : BLOCK + size]).hexdigest()
        return archive, f"sha256:{digest}"

    def _kept(self, superseded: set[int]) -> Iterator[bytes]:
        self._file.seek(0)
        for number, line in enumerate(self._file):
            if number not in superseded:
                yield line[:-1] + b","
