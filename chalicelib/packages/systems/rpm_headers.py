"""The header of an rpm package, as every rpm database holds it. Numbers are big-endian.

    entries: u32 │ bytes of data: u32 │ entries × (tag, type, offset, count: u32) │ data

A tag given twice counts as the last one says it. Nothing of a header is read past its end, and nothing twice.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from ..reading import Unreadable

_LENGTHS: Final = struct.Struct(">II")
_ENTRY: Final = struct.Struct(">IIII")
_INT32: Final = 4
_STRING: Final = 6
_STRING_ARRAY: Final = 8
_I18N_STRING: Final = 9
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
_VENDOR, _LICENSE, _SOURCE = 1011, 1014, 1044
_FOLDER_OF_FILE, _FILES, _FOLDERS = 1116, 1117, 1118
_MODULARITY: Final = 5096
_WANTED: Final = frozenset(
    {
        _NAME,
        _VERSION,
        _RELEASE,
        _EPOCH,
        _ARCH,
        _VENDOR,
        _LICENSE,
        _SOURCE,
        _FOLDER_OF_FILE,
        _FILES,
        _FOLDERS,
        _MODULARITY,
    }
)
# rpm's own limit of entries, and more than any value of one line has.
_MOST_ENTRIES: Final = 65_536
_LONGEST_STRING: Final = 16_384
# Files of one package. The largest ones, of documentation, have a tenth of it.
_MOST_FILES: Final = 1_000_000

_Entries: TypeAlias = Mapping[int, tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class RpmHeader:
    """source: file name of the package it was built from; files: their paths, without a leading `/`."""

    name: str
    version: str
    release: str
    epoch: int
    arch: str
    vendor: str
    license: str
    source: str
    modularity: str
    _folders: bytes
    _files: bytes
    _folder_of_file: bytes

    def files(self) -> Iterator[str]:
        folders = [each.decode("utf-8", "replace").lstrip("/") for each in self._folders.split(b"\0")]
        names = self._files.split(b"\0")
        for (folder,), name in zip(struct.iter_unpack(">i", self._folder_of_file), names, strict=False):
            if 0 <= folder < len(folders):
                yield folders[folder] + name.decode("utf-8", "replace")


def parse_header(blob: bytes) -> RpmHeader:
    """Raises Unreadable."""
    if len(blob) < _LENGTHS.size:
        raise Unreadable("a package's header is cut off")
    count, length = _LENGTHS.unpack_from(blob)
    begin = _LENGTHS.size + count * _ENTRY.size
    if not 0 < count <= _MOST_ENTRIES or begin + length > len(blob):
        raise Unreadable("a package's header says more than it holds")
    entries: dict[int, tuple[int, int, int]] = {}
    for tag, kind, offset, number in _ENTRY.iter_unpack(blob[_LENGTHS.size : begin]):
        if tag in _WANTED and offset <= length:
            entries[tag] = (kind, offset, number)
    return _header(blob[begin : begin + length], entries)


def _header(data: bytes, entries: _Entries) -> RpmHeader:
    name = _string(data, entries, _NAME)
    if not name:
        raise Unreadable("a package without a name")
    return RpmHeader(
        name=name,
        version=_string(data, entries, _VERSION),
        release=_string(data, entries, _RELEASE),
        epoch=_number(data, entries, _EPOCH),
        arch=_string(data, entries, _ARCH),
        vendor=_string(data, entries, _VENDOR),
        license=_string(data, entries, _LICENSE),
        source=_string(data, entries, _SOURCE),
        modularity=_string(data, entries, _MODULARITY),
        _folders=_strings(data, entries, _FOLDERS),
        _files=_strings(data, entries, _FILES),
        _folder_of_file=_numbers(data, entries, _FOLDER_OF_FILE),
    )


def _string(data: bytes, entries: _Entries, tag: int) -> str:
    kind, offset, _ = entries.get(tag, (_STRING, len(data), 0))
    if kind not in (_STRING, _STRING_ARRAY, _I18N_STRING):
        raise Unreadable(f"a package's header whose tag {tag} is no text")
    text = data[offset : offset + _LONGEST_STRING].partition(b"\0")[0].decode("utf-8", "replace")
    return "" if text == "(none)" and tag in (_SOURCE, _LICENSE, _VENDOR) else text


def _number(data: bytes, entries: _Entries, tag: int) -> int:
    numbers = _numbers(data, {tag: (*entries[tag][:2], 1)} if tag in entries else {}, tag)
    return int.from_bytes(numbers, "big", signed=True)


def _numbers(data: bytes, entries: _Entries, tag: int) -> bytes:
    kind, offset, number = entries.get(tag, (_INT32, 0, 0))
    end = offset + number * _INT32
    if kind != _INT32 or end > len(data):
        raise Unreadable(f"a package's header whose tag {tag} is no number")
    return data[offset:end]


def _strings(data: bytes, entries: _Entries, tag: int) -> bytes:
    """As they lie there, a NUL between them."""
    kind, offset, number = entries.get(tag, (_STRING_ARRAY, len(data), 0))
    if kind != _STRING_ARRAY or number > _MOST_FILES:
        raise Unreadable(f"a package's header whose tag {tag} is no list of texts")
    return b"\0".join(data[offset:].split(b"\0", number)[:number])
