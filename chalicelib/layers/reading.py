"""A layer's entries, one after another, in one pass over its bytes.

    chunks ─► decompression ─► Source ─► header (headers, extended, sparse) ─► TarEntry ─► content, if asked for

Bodies that nobody asks for are passed over, and nothing is unpacked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final

from . import extended, headers, sparse
from .decompression import decompressed
from .entries import Kind, LayerRefused, Limits
from .paths import below_root
from .source import Source
from .tar_entries import TarEntry

_DEFAULT: Final = Limits()
# Linux's PATH_MAX.
_LONGEST_PATH: Final = 4096
_EXTENDED: Final = frozenset((b"x", b"g", b"L", b"K"))


def read_layer(
    chunks: Iterable[bytes], limits: Limits = _DEFAULT, clock: Callable[[], float] = time.monotonic
) -> Generator[TarEntry, None, None]:
    """Every entry that names a path below the root, whiteouts (`.wh.…`) as the plain files that they are.

    An archive may end without the blocks that should end it; in the middle of an entry it may not.
    Raises LayerRefused while it is read, and whatever `chunks` raise.
    """
    source = Source(decompressed(chunks), limits, clock)
    seen = 0
    for header, block, records in _headers(source):
        seen += 1
        if seen > limits.entries:
            raise LayerRefused("too_many_entries", f"The layer has more than {limits.entries} entries.")
        if header.type in _EXTENDED:
            continue
        entry = _entry(header, block, records, source, limits)
        try:
            if entry.path and header.type in headers.KINDS:
                yield entry
        finally:
            entry.close()
        entry.leave()
    source.drain()


def _headers(source: Source) -> Iterator[tuple[headers.Header, bytes, extended.Records]]:
    """Headers with what stands before them: PAX records and GNU's long names, under the names that PAX has for them.

    Those of a whole archive (`g`) concern no entry here: what unpacks images does not heed them either.
    """
    records: extended.Records = {}
    while block := source.take(headers.BLOCK):
        if block == headers.ZEROS:
            second = source.take(headers.BLOCK)
            if second and second != headers.ZEROS[: len(second)]:
                raise LayerRefused("corrupt", "The layer is damaged: it goes on after an empty block.")
            break
        if len(block) < headers.BLOCK:
            raise LayerRefused("truncated", "The layer ends in the middle of a header.")
        header = headers.parse(block)
        if header.type not in _EXTENDED:
            yield header, block, records
            records = {}
            continue
        _add(records, header, _extension(header, source))
        yield header, block, records
    if records:
        raise LayerRefused("truncated", "The layer ends between an extended header and its entry.")


def _extension(header: headers.Header, source: Source) -> bytes:
    if header.stored > extended.LONGEST_BYTES:
        raise LayerRefused("too_large", f"An extended header of the layer has {header.stored} bytes.")
    data = source.take(header.stored)
    source.skip(-header.stored % headers.BLOCK)
    if len(data) < header.stored:
        raise LayerRefused("truncated", "The layer ends in the middle of an extended header.")
    return data


def _add(records: extended.Records, header: headers.Header, data: bytes) -> None:
    if header.type == b"x":
        records.update(extended.parse(data))
    elif header.type == b"L":
        records[b"path"] = headers.longest(data)
    elif header.type == b"K":
        records[b"linkpath"] = headers.longest(data)


def _entry(header: headers.Header, block: bytes, records: extended.Records, source: Source, limits: Limits) -> TarEntry:
    name, target, stored, holes, modified = header.name, header.target, header.stored, None, header.modified
    if records:
        name = records.get(b"GNU.sparse.name") or records.get(b"path") or name
        target = records.get(b"linkpath") or target
        kind_has_body = header.type not in headers.KINDS or headers.KINDS[header.type] == "file"
        if kind_has_body and records.get(b"size"):
            stored = extended.decimal(records[b"size"])
        if kind_has_body:
            holes = sparse.from_records(records)
        modified = _seconds(records.get(b"mtime")) or modified
    if header.type == b"S":
        holes = sparse.from_header(block, source)
    kind: Kind = headers.KINDS.get(header.type, "file")
    entry = TarEntry(source, limits, stored, holes)
    entry.path = below_root(_possible(name))
    entry.kind = kind
    entry.size = stored if holes is None else holes.size
    entry.mode = header.mode
    entry.modified = modified
    entry.target = ""
    if kind == "link":
        entry.target = below_root(_possible(target))
    elif kind == "symlink":
        entry.target = target.decode(errors="replace")
    return entry


def _possible(name: bytes) -> bytes:
    if len(name) > _LONGEST_PATH:
        raise LayerRefused("corrupt", f"A path of {len(name)} bytes, which no system can unpack: {name[:80]!r}….")
    return name


def _seconds(value: bytes | None) -> int:
    whole = (value or b"").partition(b".")[0]
    return int(whole) if whole.isdigit() and len(whole) < 19 else 0
