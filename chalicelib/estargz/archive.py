"""A layer's archive as it stands: each entry with the very blocks that begin it, so that it can be copied.

    chunks ─► decompression ─► Tape ─► blocks of headers, what they say ─► Item ─► content, in pieces

Names are read as `layers.reading` reads them; what that passes over or mends is refused here, because a table of
contents has to say the same as the archive does.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from typing import IO, Final, NoReturn

from chalicelib.layers import extended, headers, sparse
from chalicelib.layers.entries import LayerRefused, Limits
from chalicelib.layers.headers import BLOCK, ZEROS, Header
from chalicelib.layers.paths import below_root
from chalicelib.layers.source import Source

from .models import CHUNK_BYTES, ENTRIES_MOST, ConversionRefused

KINDS: Final = {
    b"0": "reg",
    b"\0": "reg",
    b"7": "reg",
    b"S": "reg",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "char",
    b"4": "block",
    b"5": "dir",
    b"6": "fifo",
}
_EXTENSIONS: Final = frozenset((b"x", b"g", b"L", b"K"))
_MOMENT: Final = re.compile(rb"([0-9]{1,18})(?:\.[0-9]*)?")
_XATTR: Final = b"SCHILY.xattr."
# Linux's PATH_MAX.
_LONGEST_PATH: Final = 4096
# What every unpacker here takes for a time: from 1970 until nanoseconds fill 63 bits. Others become 1970.
_LATEST: Final = (2**63 - 1) // 10**9


class Tape(Source):
    """A source that knows how far it is, and of which a copy can be kept."""

    _copy: IO[bytes] | None = None

    def copy_to(self, file: IO[bytes]) -> None:
        """From here on."""
        self._copy = file

    def _fill(self) -> bool:
        more = super()._fill()
        if more and self._copy is not None:
            self._copy.write(self._block)
        return more

    @property
    def position(self) -> int:
        return self._bytes - len(self._block) + self._at


class Item:
    """One entry, and all there is before its content.

    begin     where in the archive its first block stands
    blocks    extended headers as pairs of (type, blocks), the entry's own header last
    kind      as a table of contents says it; "" for what nobody unpacks
    path      "" for the root
    size      of the content, holes filled
    modified  seconds since 1970
    """

    __slots__ = ("_holes", "_left", "_stored", "_tape", "begin", "blocks", "gid", "gname", "kind", "major", "minor",
                 "mode", "modified", "path", "records", "size", "target", "uid", "uname", "xattrs")  # fmt: skip

    begin: int
    blocks: list[tuple[bytes, bytes]]
    kind: str
    path: str
    target: str
    size: int
    mode: int
    modified: int
    uid: int
    gid: int
    uname: str
    gname: str
    major: int
    minor: int
    xattrs: list[tuple[str, bytes]]
    records: extended.Records

    def __init__(self, tape: Tape, stored: int, holes: sparse.Sparse | None) -> None:
        self._tape = tape
        self._stored = stored
        self._left = stored
        self._holes = holes

    @property
    def sparse(self) -> bool:
        return self._holes is not None

    def take(self, size: int) -> bytes:
        """The next bytes of the content, which must be there. Those of a sparse file are read by `filled`."""
        self._left -= size
        data = self._tape.take(size)
        if len(data) < size:
            self._cut_off()
        return data

    def pieces(self, size: int) -> Iterator[bytes]:
        """The same in pieces, as long as there are at once."""
        self._left -= size
        for piece in self._tape.parts(size):
            size -= len(piece)
            yield piece
        if size:
            self._cut_off()

    def filled(self) -> IO[bytes]:
        """The content with its holes, from its beginning; on the disk it has them too."""
        assert self._holes is not None  # noqa: S101
        file = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            file.truncate(self.size)
            self._left -= self._holes.fill(file, self._tape, self._stored)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def padding(self) -> bytes:
        """What stands between the content and the next header. The last one of an archive may lack it."""
        size = -self._stored % BLOCK
        return self._tape.take(size).ljust(size, b"\0") if size else b""

    def leave(self) -> None:
        """Passes over what was not read, padding included."""
        if self._left and self._tape.skip(self._left):
            self._cut_off()
        self._left = 0

    def _cut_off(self) -> NoReturn:
        raise LayerRefused("truncated", f"The layer ends in the middle of {self.path or 'an entry'}.")


def walk(tape: Tape, limits: Limits) -> Iterator[Item]:
    """Every entry in order. Whoever is given one reads its content and padding, or calls `leave` and `padding`.

    Ends where the archive says so, or stops; the tape is then at its end.
    Raises LayerRefused (corrupt, truncated, too_large …), ConversionRefused.
    """
    most = min(limits.entries, ENTRIES_MOST)
    count, before, held, begin = 0, [], 0, 0
    records: extended.Records = {}
    while block := tape.take(BLOCK):
        if block == ZEROS:
            second = tape.take(BLOCK)
            if second and second != ZEROS[: len(second)]:
                raise LayerRefused("corrupt", "The layer is damaged: it goes on after an empty block.")
            break
        if len(block) < BLOCK:
            raise LayerRefused("truncated", "The layer ends in the middle of a header.")
        header = headers.parse(block)
        if header.type in _EXTENSIONS:
            data = _extension(header, tape, records)
            held += BLOCK + len(data)
            if held > CHUNK_BYTES:
                raise LayerRefused("too_large", f"Extended headers of an entry have more than {CHUNK_BYTES} bytes.")
            before.append((header.type, block + data))
            continue
        count += 1
        if count > most:
            raise ConversionRefused("too_many_entries", f"The layer has more than {most} entries.")
        item = _item(header, block, records, tape, limits)
        item.begin = begin
        item.blocks = before
        before.append((header.type, block))
        yield item
        begin, before, held, records = tape.position, [], 0, {}
    if records:
        raise LayerRefused("truncated", "The layer ends between an extended header and its entry.")
    tape.drain()


def _extension(header: Header, tape: Tape, records: extended.Records) -> bytes:
    if header.stored > extended.LONGEST_BYTES:
        raise LayerRefused("too_large", f"An extended header of the layer has {header.stored} bytes.")
    data = tape.take(header.stored)
    padding = -header.stored % BLOCK
    if len(data) < header.stored:
        raise LayerRefused("truncated", "The layer ends in the middle of an extended header.")
    if header.type == b"x":
        records.update(extended.parse(data))
    elif header.type == b"L":
        records[b"path"] = headers.longest(data)
    elif header.type == b"K":
        records[b"linkpath"] = headers.longest(data)
    return data + tape.take(padding).ljust(padding, b"\0")


def _item(header: Header, block: bytes, records: extended.Records, tape: Tape, limits: Limits) -> Item:
    name, target, stored, holes, modified = header.name, header.target, header.stored, None, header.modified
    kind = KINDS.get(header.type, "")
    if records:
        name = records.get(b"GNU.sparse.name") or records.get(b"path") or name
        target = records.get(b"linkpath") or target
        if kind in ("reg", ""):
            if records.get(b"size"):
                stored = extended.decimal(records[b"size"])
            holes = sparse.from_records(records) if kind else None
        if records.get(b"mtime"):
            modified = _seconds(records[b"mtime"])
    if header.type == b"S":
        holes = sparse.from_header(block, tape)
    item = Item(tape, stored, holes)
    item.kind = kind
    item.records = records
    item.size = stored if holes is None else holes.size
    if item.size > limits.bytes_most:
        raise LayerRefused("too_large", f"A file of the layer has {item.size} bytes.")
    item.path = _path(name) if kind else ""
    item.mode = header.mode
    item.modified = modified if modified <= _LATEST else 0
    item.target = ""
    if kind == "hardlink":
        item.target = _path(target)
    elif kind == "symlink":
        item.target = _text(target)
    _own(item, block, records)
    return item


def _own(item: Item, block: bytes, records: extended.Records) -> None:
    item.uid, item.gid = _ids(block[108:124])
    item.major = item.minor = 0
    item.uname = item.gname = ""
    item.xattrs = []
    if block[257:262] == b"ustar":
        item.uname, item.gname = _labels(block[265:329])
        if item.kind in ("char", "block"):
            item.major, item.minor = _number(block[329:337]), _number(block[337:345])
    if not records:
        return
    if records.get(b"uid", b"").isdigit():
        item.uid = extended.decimal(records[b"uid"])
    if records.get(b"gid", b"").isdigit():
        item.gid = extended.decimal(records[b"gid"])
    item.uname = _label(records[b"uname"]) if records.get(b"uname") else item.uname
    item.gname = _label(records[b"gname"]) if records.get(b"gname") else item.gname
    item.xattrs = sorted((_text(key[len(_XATTR) :]), value) for key, value in records.items() if key.startswith(_XATTR))


# Most entries of a layer belong to the same few.
@lru_cache(maxsize=256)
def _ids(fields: bytes) -> tuple[int, int]:
    return _number(fields[:8]), _number(fields[8:])


@lru_cache(maxsize=256)
def _labels(fields: bytes) -> tuple[str, str]:
    return _label(fields[:32].partition(b"\0")[0]), _label(fields[32:].partition(b"\0")[0])


def _path(name: bytes) -> str:
    if len(name) > _LONGEST_PATH:
        raise LayerRefused("corrupt", f"A path of {len(name)} bytes, which no system can unpack: {name[:80]!r}….")
    if not name.isascii():
        _text(name)
    path = below_root(name)
    if not path and any(part not in (b"", b".") for part in name.split(b"/")):
        raise ConversionRefused("unsupported_name", f"{name[:200]!r} of the layer leads out of the root.")
    return path


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as wrong:
        raise ConversionRefused("unsupported_name", f"{name[:200]!r} of the layer is no UTF-8.") from wrong


def _label(name: bytes) -> str:
    """Of an owner, which is told for people alone: the number counts."""
    return name.decode(errors="replace")


def _number(field: bytes) -> int:
    """Rubbish in a field that nothing depends on is no reason to refuse a layer."""
    try:
        return headers.number(field)
    except LayerRefused:
        return 0


def _seconds(value: bytes) -> int:
    """Rounded down: what is younger than its source by a fraction of a second would be taken for stale."""
    match = _MOMENT.fullmatch(value)
    return int(match[1]) if match else 0
