"""The table of contents of a layer that loads lazily, whoever wrote it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

import msgspec

from chalicelib.layers.entries import LayerRefused
from chalicelib.layers.headers import BLOCK, Header, parse

from .footer import FOOTER_BYTES, read_footer
from .gunzip import gunzipped
from .models import TOC_BYTES_MOST, TOC_NAME, LayerUnsound

Read = Callable[[int, int], bytes]
# The shortest that tell anything have as many, with their time. An entry takes 300 bytes of memory, however short.
_ENTRY_BYTES: Final = 80


class TocEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Of a file, or of a further chunk of the file before. Keys and meanings: containerd/stargz-snapshotter,
    docs/estargz.md.

    chunk_size  0 where the chunk is the file's last one
    """

    name: str
    type: str
    size: int = 0
    modtime: str = ""
    link_name: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0
    offset: int = 0
    inner_offset: int = 0
    dev_major: int = 0
    dev_minor: int = 0
    xattrs: dict[str, str] = {}
    digest: str = ""
    chunk_offset: int = 0
    chunk_size: int = 0
    chunk_digest: str = ""

    @property
    def path(self) -> str:
        """As `Entry.path` of a layer has it; "" for the root."""
        return "/".join(part for part in self.name.split("/") if part not in ("", "."))


class _Document(msgspec.Struct, frozen=True):
    version: int
    entries: list[TocEntry]


@dataclass(frozen=True, slots=True)
class Toc:
    """offset: of its member in the blob. digest: of its JSON."""

    offset: int
    digest: str
    entries: tuple[TocEntry, ...]


def read_toc(read: Read, size: int, most: int = TOC_BYTES_MOST) -> Toc:
    """
    read  bytes of the blob, by offset and length
    most  bytes of the table that are read

    Raises LayerUnsound, and what `read` raises.
    """
    if size < FOOTER_BYTES:
        unsound("it is too short")
    offset = read_footer(read(size - FOOTER_BYTES, FOOTER_BYTES))
    if offset is None or offset >= size - FOOTER_BYTES:
        unsound("its footer is none")
    if size - FOOTER_BYTES - offset > most:
        unsound(f"its table of contents has more than {most} bytes")
    blocks = gunzipped(iter((read(offset, size - FOOTER_BYTES - offset),)), members=1)
    buffer = bytearray()
    for block in blocks:
        buffer += block
        if len(buffer) > most + 4 * BLOCK:
            unsound(f"its table of contents has more than {most} bytes")
    header = _header(bytes(buffer[:BLOCK]))
    if header.name != TOC_NAME.encode() or header.stored > len(buffer) - BLOCK:
        unsound("its table of contents is not where its footer says")
    if any(buffer[BLOCK + header.stored :]):
        unsound("something follows its table of contents")
    if buffer.count(b"{", BLOCK, BLOCK + header.stored) > most // _ENTRY_BYTES:
        unsound("its table of contents has more entries than layers have")
    with memoryview(buffer)[BLOCK : BLOCK + header.stored] as data:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        try:
            document = msgspec.json.decode(data, type=_Document)
        except msgspec.DecodeError as wrong:
            raise LayerUnsound(f"The layer's table of contents cannot be read: {wrong}.") from wrong
    if document.version != 1:
        unsound(f"its table of contents has version {document.version}")
    return Toc(offset, digest, tuple(document.entries))


def chunks_of(toc: Toc) -> Iterator[tuple[TocEntry, TocEntry, int]]:
    """Every chunk in order: its file, itself, its size. Raises LayerUnsound where they make no files."""
    file: TocEntry | None = None
    expected = 0
    for entry in toc.entries:
        if entry.inner_offset:
            unsound(f"{entry.name} shares a member with others")
        if entry.type != "chunk":
            if file is not None and expected != file.size:
                unsound(f"chunks of {file.name} are missing")
            file, expected = (entry, 0) if entry.type == "reg" else (None, 0)
            if file is None or not file.size:
                continue
        if file is None or entry.path != file.path or entry.chunk_offset != expected or expected >= file.size:
            unsound(f"a chunk of {entry.name} is out of place")
        size = entry.chunk_size or file.size - expected
        expected += size
        yield file, entry, size
    if file is not None and expected != file.size:
        unsound(f"chunks of {file.name} are missing")


def unsound(why: str) -> NoReturn:
    raise LayerUnsound(f"The layer cannot be loaded lazily: {why}.")


def _header(block: bytes) -> Header:
    try:
        return parse(block)
    except (LayerRefused, ValueError, IndexError) as wrong:
        raise LayerUnsound("The layer's table of contents is not where its footer says.") from wrong
