"""Reads a bbolt file: sorted keys in pages, buckets inside buckets. Never writes, and believes no page.

    page 0, 1: meta (the valid one with the higher transaction counts) ─► root bucket
    branch page: key → page, key → page …        leaf page: key → value, key → bucket, …
    bucket: number of its root page, or 0 and the whole page behind it ("inline")

Layout: header `<QHHI` (id, flags, count, further pages), elements of 16 bytes, then keys and values. Source: bbolt's
internal/common. A page that contradicts itself raises DatabaseCorrupt; no order of pages makes a reader run in circles.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from chalicelib.kernel.errors import Refused

HEADER: Final = struct.Struct("<QHHI")
LEAF: Final = struct.Struct("<IIII")
BRANCH: Final = struct.Struct("<IIQ")
BUCKET: Final = struct.Struct("<QQ")
META: Final = struct.Struct("<IIIIQQQQQ")
CHECKSUM: Final = struct.Struct("<Q")
MAGIC: Final = 0xED0CDAED
VERSION: Final = 2
BRANCH_PAGE, LEAF_PAGE, META_PAGE, FREELIST_PAGE = 1, 2, 4, 16
IS_BUCKET: Final = 1
# A tree of 4 KiB pages with two keys each would hold more than any disk before it is this deep.
_DEEPEST: Final = 40
# Sizes of pages that bbolt looks for where its first meta page is broken.
_PAGE_SIZES: Final = tuple(1024 << power for power in range(7))
# Pages of the upper levels that lookups keep passing: 8 MiB at most, but for overlong ones.
_REMEMBERED: Final = 2048
# Flags, key and value.
_Element = tuple[int, bytes, bytes]


class DatabaseCorrupt(Refused):
    """A vulnerability database that is none, or is damaged. Nothing can be said with it."""

    code = "DATABASE_CORRUPT"
    status = 422


class Pages(Protocol):
    """A file's bytes, wherever it lies."""

    size: int

    def read(self, offset: int, size: int) -> bytes:
        """Exactly so many, or as many as there are."""
        ...


class MappedPages:
    """Of a file on this machine. The mapping ends when nobody holds this any more."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.size = path.stat().st_size
            if not self.size:
                raise DatabaseCorrupt(f"{path.name} is empty")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def read(self, offset: int, size: int) -> bytes:
        return self._map[offset : offset + size]


def fnv1a(content: bytes) -> int:
    """64 bits, as bbolt's meta pages are sealed."""
    value = 0xCBF29CE484222325
    for byte in content:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


class _Page:
    """One page with what belongs to it. Elements are read as they are asked for."""

    __slots__ = ("count", "data", "flags", "number")

    def __init__(self, number: int, data: bytes) -> None:
        _, self.flags, self.count, _ = HEADER.unpack_from(data)
        self.number = number
        self.data = data
        if self.flags not in (BRANCH_PAGE, LEAF_PAGE) or HEADER.size + LEAF.size * self.count > len(data):
            raise DatabaseCorrupt(f"page {number} of the vulnerability database is damaged")

    def leaf(self, index: int) -> _Element:
        """Flags, key and value."""
        start = HEADER.size + LEAF.size * index
        flags, position, key_size, value_size = LEAF.unpack_from(self.data, start)
        middle = start + position + key_size
        end = middle + value_size
        if end > len(self.data):
            raise DatabaseCorrupt(f"page {self.number} of the vulnerability database is cut off")
        return flags, self.data[start + position : middle], self.data[middle:end]

    def leaves(self, start: int = 0) -> list[_Element]:
        """All from an index on, as `leaf` has them; several times as fast. Their keys rise."""
        data, size = self.data, len(self.data)
        at = HEADER.size + LEAF.size * start
        found: list[_Element] = []
        last = b""
        for flags, position, key_size, value_size in LEAF.iter_unpack(data[at : HEADER.size + LEAF.size * self.count]):
            middle = at + position + key_size
            end = middle + value_size
            key = data[at + position : middle]
            if end > size or (key <= last and found):
                raise DatabaseCorrupt(f"page {self.number} of the vulnerability database is damaged")
            found.append((flags, key, data[middle:end]))
            last = key
            at += LEAF.size
        return found

    def branch(self, index: int) -> tuple[bytes, int]:
        """First key and number of a page below."""
        start = HEADER.size + BRANCH.size * index
        position, key_size, below = BRANCH.unpack_from(self.data, start)
        if start + position + key_size > len(self.data):
            raise DatabaseCorrupt(f"page {self.number} of the vulnerability database is cut off")
        return self.data[start + position : start + position + key_size], below

    def key(self, index: int) -> bytes:
        return self.branch(index)[0] if self.flags == BRANCH_PAGE else self.leaf(index)[1]

    def first_from(self, key: bytes) -> int:
        """Index of the first element whose key is not below this one; `count` for none."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self.key(middle) < key:
                low = middle + 1
            else:
                high = middle
        return low

    def way_to(self, key: bytes) -> int:
        """Of a branch: index of the page that has the key, if any has."""
        index = self.first_from(key)
        exact = index < self.count and self.key(index) == key
        return index if exact else max(index - 1, 0)


class Bolt:
    """A whole file. Raises DatabaseCorrupt if it is none."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._page_size, root = self._newest_meta()
        self.page = lru_cache(_REMEMBERED)(self.read_page)
        self.root = Bucket(self, root, b"")

    def read_page(self, number: int) -> _Page:
        """Raises DatabaseCorrupt. `page` is the same, remembered."""
        offset = number * self._page_size
        data = self._pages.read(offset, self._page_size)
        if len(data) < HEADER.size:
            raise DatabaseCorrupt(f"the vulnerability database ends before its page {number}")
        itself, _, _, further = HEADER.unpack_from(data)
        if itself != number or offset + (further + 1) * self._page_size > self._pages.size:
            raise DatabaseCorrupt(f"page {number} of the vulnerability database is damaged")
        if further:
            data = self._pages.read(offset, (further + 1) * self._page_size)
        return _Page(number, data)

    def _newest_meta(self) -> tuple[int, int]:
        """Size of a page, and number of the root bucket's."""
        found = self._meta_at(0)
        sizes = (found[1],) if found else _PAGE_SIZES
        metas = [meta for meta in (found, *(self._meta_at(size) for size in sizes)) if meta]
        if not metas:
            raise DatabaseCorrupt("this is no vulnerability database: neither of its first two pages is valid")
        _, page_size, root = max(metas)
        return page_size, root

    def _meta_at(self, offset: int) -> tuple[int, int, int] | None:
        """Transaction, size of a page, root; None for one that is not valid."""
        data = self._pages.read(offset, HEADER.size + META.size + CHECKSUM.size)
        if len(data) < HEADER.size + META.size + CHECKSUM.size:
            return None
        magic, version, page_size, _, root, _, _, _, transaction = META.unpack_from(data, HEADER.size)
        (checksum,) = CHECKSUM.unpack_from(data, HEADER.size + META.size)
        whole = checksum == fnv1a(data[HEADER.size : HEADER.size + META.size])
        if magic != MAGIC or version != VERSION or not whole or not 512 <= page_size <= 1 << 20:
            return None
        return transaction, page_size, root


class Bucket:
    """Sorted keys, each with a value or with a bucket of its own."""

    __slots__ = ("_bolt", "_inline", "_root")

    def __init__(self, bolt: Bolt, root: int, inline: bytes) -> None:
        self._bolt = bolt
        self._root = root
        self._inline = inline

    def get(self, key: bytes) -> bytes | None:
        """None where there is none, or a bucket."""
        found = self._find(key)
        return None if found is None or found[0] & IS_BUCKET else found[1]

    def bucket(self, key: bytes) -> Bucket | None:
        found = self._find(key)
        return self._opened(found[1]) if found and found[0] & IS_BUCKET else None

    def elements(self) -> Iterable[_Element]:
        """Flags, keys and values, in order; a bucket's value is what it lies in. The fastest way through all of it."""
        return self._walk(b"") if self._root else self._top().leaves()

    def values(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys that have values, in order."""
        return ((key, value) for flags, key, value in self._walk(b"") if not flags & IS_BUCKET)

    def buckets(self, start: bytes = b"") -> Iterator[tuple[bytes, Bucket]]:
        """All keys from `start` on that have buckets, in order."""
        return ((key, self._opened(value)) for flags, key, value in self._walk(start) if flags & IS_BUCKET)

    def _opened(self, value: bytes) -> Bucket:
        if len(value) < BUCKET.size:
            raise DatabaseCorrupt("a bucket of the vulnerability database is damaged")
        root, _ = BUCKET.unpack_from(value)
        return Bucket(self._bolt, root, value[BUCKET.size :])

    def _top(self) -> _Page:
        if self._root:
            return self._bolt.page(self._root)
        if len(self._inline) < HEADER.size:
            raise DatabaseCorrupt("a bucket of the vulnerability database is damaged")
        return _Page(0, self._inline)

    def _find(self, key: bytes) -> tuple[int, bytes] | None:
        page = self._top()
        for _ in range(_DEEPEST):
            if page.flags == LEAF_PAGE:
                index = page.first_from(key)
                if index == page.count:
                    return None
                flags, found, value = page.leaf(index)
                return (flags, value) if found == key else None
            page = self._bolt.page(_below(page, page.way_to(key)))
        raise DatabaseCorrupt("pages of the vulnerability database point at each other")

    def _walk(self, start: bytes) -> Iterator[_Element]:
        """Keys rise strictly, so that pages that point at each other end the walk."""
        last: bytes | None = None
        for page in self._leaves(self._top(), start, _DEEPEST):
            found = page.leaves(page.first_from(start) if start else 0)
            if found and last is not None and found[0][1] <= last:
                raise DatabaseCorrupt(f"page {page.number} of the vulnerability database is out of order")
            yield from found
            last = found[-1][1] if found else last

    def _leaves(self, page: _Page, start: bytes, deeper: int) -> Iterator[_Page]:
        if page.flags == LEAF_PAGE:
            yield page
            return
        if not deeper:
            raise DatabaseCorrupt("pages of the vulnerability database point at each other")
        for index in range(page.way_to(start), page.count):
            below = self._bolt.read_page(_below(page, index))
            # Only a bucket's first page may be empty. Without keys nothing would end a walk in circles.
            if not below.count:
                raise DatabaseCorrupt(f"page {below.number} of the vulnerability database is empty")
            yield from self._leaves(below, start, deeper - 1)


def _below(page: _Page, index: int) -> int:
    if not page.count:
        raise DatabaseCorrupt(f"page {page.number} of the vulnerability database is empty")
    return page.branch(index)[1]
