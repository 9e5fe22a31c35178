"""Writes a bbolt file in one go, from nested mappings: what `bolt` reads, and Go's bbolt and Trivy do.

    leaves left to right ─► the branches above them ─► … ─► one root page ─► the bucket's value in the leaf above

The file is written front to back, but for the two meta pages, which come last: a file that was cut off is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from .bolt import (
    BRANCH,
    BRANCH_PAGE,
    BUCKET,
    CHECKSUM,
    FREELIST_PAGE,
    HEADER,
    IS_BUCKET,
    LEAF,
    LEAF_PAGE,
    MAGIC,
    META,
    META_PAGE,
    VERSION,
    fnv1a,
)

Tree = Mapping[str, "Tree | bytes"]

_PAGE_SIZE: Final = 4096
# bbolt keeps a bucket without buckets inside its own value up to this size.
_INLINE: Final = _PAGE_SIZE // 4
_FREELIST: Final = 2
_FIRST: Final = 3
_Element = tuple[int, bytes, bytes]


def write(path: Path, tree: Tree) -> None:
    """The keys of each bucket in any order. The root holds buckets only, as bbolt's does."""
    with path.open("wb") as file:
        writer = _Writer(file)
        root = writer.bucket_page(tree)
        writer.finish(root)


class _Writer:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._file.write(bytes(_FIRST * _PAGE_SIZE))
        self._next = _FIRST

    def bucket_page(self, tree: Tree) -> int:
        """Number of the bucket's root page, after everything below it was written."""
        level = [(group[0][1], self._page(LEAF_PAGE, group)) for group in _groups(self._elements(tree))]
        if not level:
            return self._page(LEAF_PAGE, [])
        while len(level) > 1:
            elements = ((number, key, b"") for key, number in level)
            level = [(group[0][1], self._page(BRANCH_PAGE, group)) for group in _groups(elements)]
        return level[0][1]

    def finish(self, root: int) -> None:
        self._file.seek(_FREELIST * _PAGE_SIZE)
        self._file.write(HEADER.pack(_FREELIST, FREELIST_PAGE, 0, 0))
        for number in range(2):
            meta = META.pack(MAGIC, VERSION, _PAGE_SIZE, 0, root, 0, _FREELIST, self._next, number)
            self._file.seek(number * _PAGE_SIZE)
            self._file.write(HEADER.pack(number, META_PAGE, 0, 0) + meta + CHECKSUM.pack(fnv1a(meta)))

    def _elements(self, tree: Tree) -> Iterator[_Element]:
        for key, value in sorted((key.encode(), value) for key, value in tree.items()):
            if isinstance(value, bytes):
                yield 0, key, value
            else:
                yield IS_BUCKET, key, self._bucket(value)

    def _bucket(self, tree: Tree) -> bytes:
        """A bucket as the value of its key."""
        plain = [(0, key.encode(), value) for key, value in tree.items() if isinstance(value, bytes)]
        size = HEADER.size + sum(map(_size, plain))
        if len(plain) == len(tree) and size <= _INLINE:
            return BUCKET.pack(0, 0) + HEADER.pack(0, LEAF_PAGE, len(plain), 0) + _packed(LEAF_PAGE, sorted(plain))
        return BUCKET.pack(self.bucket_page(tree), 0)

    def _page(self, kind: int, elements: list[_Element]) -> int:
        body = _packed(kind, elements)
        pages = -(-(HEADER.size + len(body)) // _PAGE_SIZE)
        number, self._next = self._next, self._next + pages
        header = HEADER.pack(number, kind, len(elements), pages - 1)
        self._file.write((header + body).ljust(pages * _PAGE_SIZE, b"\0"))
        return number


def _size(element: _Element) -> int:
    return LEAF.size + len(element[1]) + len(element[2])


def _groups(elements: Iterator[_Element]) -> Iterator[list[_Element]]:
    """As many to a page as go in, but two at least, so that each level has fewer pages than the one below: what goes
    into no page has several."""
    group: list[_Element] = []
    size = HEADER.size
    for element in elements:
        if len(group) > 1 and size + _size(element) > _PAGE_SIZE:
            yield group
            group, size = [], HEADER.size
        group.append(element)
        size += _size(element)
    if group:
        yield group


def _packed(kind: int, elements: list[_Element]) -> bytes:
    """Elements, each with the distance from itself to its key; keys and values behind them all. Of a branch, an
    element's number is the page below."""
    head, tail = bytearray(), bytearray()
    for index, (number, key, value) in enumerate(elements):
        position = LEAF.size * (len(elements) - index) + len(tail)
        if kind == LEAF_PAGE:
            head += LEAF.pack(number, position, len(key), len(value))
        else:
            head += BRANCH.pack(position, len(key), number)
        tail += key + value
    return bytes(head + tail)
