"""rpm databases written for tests, in each of the three formats, as rpm itself would lay them out."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = int | str | Sequence[str] | Sequence[int]

NAME, VERSION, RELEASE, EPOCH, ARCH = 1000, 1001, 1002, 1003, 1022
VENDOR, LICENSE, SOURCE = 1011, 1014, 1044
FOLDER_OF_FILE, FILES, FOLDERS = 1116, 1117, 1118
MODULARITY = 5096
PAGE = 4096


def header(tags: Mapping[int, Value]) -> bytes:
    """All in one immutable region, whose trailer ends the data."""
    entries, data = [], b""
    for tag, value in sorted(tags.items()):
        values = value if isinstance(value, list | tuple) else [value]
        if values and isinstance(values[0], int):
            data += bytes(-len(data) % 4)
            kind, body = 4, b"".join(struct.pack(">i", number) for number in values)
        else:
            kind = 8 if isinstance(value, list | tuple) else 6
            body = b"".join(str(text).encode() + b"\0" for text in values)
        entries.append(struct.pack(">IIII", tag, kind, len(data), len(values)))
        data += body
    region = struct.pack(">IIII", 63, 7, len(data), 16)
    trailer = struct.pack(">IIiI", 63, 7, -16 * (len(entries) + 1), 16)
    index = [region, *entries]
    return struct.pack(">II", len(index), len(data) + 16) + b"".join(index) + data + trailer


def sqlite(headers: Sequence[bytes]) -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        database.execute("CREATE TABLE 'Name' (key TEXT NOT NULL, hnum INTEGER NOT NULL)")
        database.executemany("INSERT INTO Packages (blob) VALUES (?)", [(each,) for each in headers])
    return database.serialize()


def ndb(headers: Sequence[bytes]) -> bytes:
    pages = (len(headers) + 2) * 16 // PAGE + 1
    slots, blobs = [struct.pack("<4sIII", b"RpmP", 0, 1, pages), bytes(16)], bytearray()
    for number, each in enumerate(headers, 1):
        begin = pages * PAGE + len(blobs)
        blob = struct.pack("<4sIII", b"BlbS", number, zlib.adler32(each), len(each)) + each
        blob += bytes(-len(blob) % 16) + struct.pack("<4sII", b"BlbE", 0, 0) + bytes(4)
        slots.append(struct.pack("<4sIII", b"Slot", number, begin // 16, len(blob) // 16))
        blobs += blob
    empty = struct.pack("<4sIII", b"Slot", 0, 0, 0)
    table = b"".join(slots) + empty * (pages * PAGE // 16 - len(slots))
    return table + blobs


def bdb(headers: Sequence[bytes], order: str = "<") -> bytes:
    """Meta page, pages of the hash with up to 100 pairs each, then chains of overflow pages."""
    groups = [headers[at : at + 100] for at in range(0, len(headers), 100)]
    hashes: list[bytes] = []
    overflow: list[bytes] = []
    following = 1 + len(groups)
    for group in groups:
        items, index, end = b"", [], PAGE
        for each in group:
            for item in (b"\1key!", struct.pack(f"{order}B3xII", 3, following, len(each))):
                end -= len(item)
                items = item + items
                index.append(end)
            chunks = [each[at : at + PAGE - 26] for at in range(0, len(each), PAGE - 26)]
            for place, chunk in enumerate(chunks):
                after = following + 1 if place + 1 < len(chunks) else 0
                head = struct.pack(f"{order}8xIIIHHBB", following, 0, after, 1, len(chunk), 0, 7)
                overflow.append((head + chunk).ljust(PAGE, b"\0"))
                following += 1
        head = struct.pack(f"{order}8xIIIHHBB", 1 + len(hashes), 0, 0, len(index), end, 0, 13)
        body = head + struct.pack(f"{order}{len(index)}H", *index)
        hashes.append(body + bytes(PAGE - len(body) - len(items)) + items)
    meta = struct.pack(f"{order}8xIIIIBBxxII", 0, 0x61561, 9, PAGE, 0, 8, 0, following - 1)
    return meta.ljust(PAGE, b"\0") + b"".join([*hashes, *overflow])
