"""A layer becomes one that loads lazily, in one pass over its bytes.

    source tar, copied:   header  file a  header  file b …  two empty blocks
    gzip members:         └──0──┘ └────1────────┘ └──2────────────────────┘
    after the archive's end, where nobody looks who unpacks it:  landmark, table of contents, footer

With files that come first there are two passes (`ordering`): those, then the landmark in a comment, then the rest.
Source: containerd/stargz-snapshotter, docs/estargz.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from chalicelib.layers.decompression import decompressed
from chalicelib.layers.entries import LayerRefused, Limits
from chalicelib.layers.headers import BLOCK

from .archive import Item, Tape, walk
from .footer import write_footer
from .members import Members
from .models import CHUNK_BYTES, LANDMARK, NO_PREFETCH, OWN_NAMES, PREFETCH, Converted, Recipe
from .ordering import Order, ordered
from .rewriting import header, with_mark, without_holes
from .rows import FileRow, row
from .table import Table
from .tree import Tree

_USUAL: Final = Limits()
# What a source mostly has at hand without joining blocks.
_WHOLE_BYTES: Final = 64 * 1024


def convert(
    chunks: Iterable[bytes],
    recipe: Recipe,
    write: Callable[[bytes], None],
    *,
    workers: int = 1,
    limits: Limits = _USUAL,
    beat: Callable[[int], None] = lambda taken: None,
    clock: Callable[[], float] = time.monotonic,
) -> Converted:
    """
    chunks   a layer: gzip, zstd or plain
    write    is given the converted one, in order, from this thread
    workers  threads that compress; with one, it is this one. They make no difference to the bytes
    beat     hears now and then how many bytes of `chunks` were taken; it may raise to end the conversion

    Under 300 MB of memory for any layer; temporary files as large as the uncompressed layer if files come first.
    Raises LayerRefused, ConversionRefused, and what `chunks`, `write` and `beat` raise.
    """
    taken, begun = _Taken(chunks), clock()
    with ExitStack() as stack:
        source = tape = Tape(decompressed(taken), limits, clock)
        order = Order()
        if recipe.files:
            order = stack.enter_context(ordered(source, recipe.files, limits, lambda: beat(taken.bytes)))
            left = replace(limits, seconds=limits.seconds - (clock() - begun))
            tape = Tape(order.blocks(), left, clock)
        table = stack.enter_context(Table())
        members = stack.enter_context(Members(write, table.add, lambda: beat(taken.bytes), workers))
        layer = _Layer(members, order.count, limits)
        for item in walk(tape, limits):
            layer.add(item)
        return layer.finish(table, source.position, order.files)


class _Taken:
    """Chunks, and how many bytes of them there were so far."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.bytes += len(chunk)
            yield chunk


class _Layer:
    """first: how many entries come before the landmark; with none of them it stands after the archive's end."""

    def __init__(self, members: Members, first: int, limits: Limits) -> None:
        self._members = members
        self._first = first
        self._holes_most = limits.bytes_most
        self._passed = 0
        self._told = 0
        self._tree = Tree()
        self._mark_due = first > 0

    def add(self, item: Item) -> None:
        if item.path in OWN_NAMES:
            # Of an earlier conversion.
            item.leave()
            item.padding()
            return
        if item.kind:
            self._tree.add(item, self._told + (self._mark_due and self._passed == self._first))
        self._begin(item)
        self._passed += 1
        if item.kind == "reg" and item.size:
            self._content(item)
        elif item.kind:
            self._members.row(row(item))
        else:
            self._unknown(item)
        self._told += bool(item.kind)
        padding = item.padding()
        self._members.add(bytes(-item.size % BLOCK) if item.sparse else padding)

    def _begin(self, item: Item) -> None:
        blocks = without_holes(item) if item.sparse else item.blocks
        if not self._mark_due or self._passed < self._first:
            self._members.add(b"".join([data for _, data in blocks]))
            return
        before, after = with_mark(blocks)
        self._members.add(before)
        self._landmark(PREFETCH, after)

    def _landmark(self, name: str, after: bytes) -> None:
        self._members.begin(FileRow.landmark(name), 0, len(LANDMARK))
        self._members.fill(LANDMARK)
        self._members.add(after)
        self._told += 1
        self._mark_due = False

    def _content(self, item: Item) -> None:
        file, members, size = FileRow(item), self._members, item.size
        if item.sparse:
            self._filled(item, file)
        elif size <= _WHOLE_BYTES:
            members.begin(file, 0, size)
            members.fill(item.take(size))
        else:
            for at in range(0, size, CHUNK_BYTES):
                chunk = min(CHUNK_BYTES, size - at)
                members.begin(file, at, chunk)
                for piece in item.pieces(chunk):
                    members.fill(piece)

    def _filled(self, item: Item, file: FileRow) -> None:
        """Holes are bytes that no archive has had to bring: they are counted here."""
        self._holes_most -= item.size
        if self._holes_most < 0:
            raise LayerRefused("too_large", "Files with holes of the layer have more bytes than a layer may have.")
        with item.filled() as content:
            for at in range(0, item.size, CHUNK_BYTES):
                chunk = min(CHUNK_BYTES, item.size - at)
                self._members.begin(file, at, chunk)
                self._members.fill(content.read(chunk))
        item.leave()

    def _unknown(self, item: Item) -> None:
        """What nobody unpacks is copied with all it brings."""
        for at in range(0, item.size, CHUNK_BYTES):
            self._members.begin(None, 0, 0)
            for piece in item.pieces(min(CHUNK_BYTES, item.size - at)):
                self._members.fill(piece)

    def finish(self, table: Table, source_bytes: int, prioritized: int) -> Converted:
        members, superseded = self._members, self._tree.superseded
        members.add(bytes(2 * BLOCK))
        if self._mark_due or not self._first:
            name = PREFETCH if self._first else NO_PREFETCH
            members.add(header(name.encode(), len(LANDMARK)))
            self._landmark(name, bytes(BLOCK - len(LANDMARK)))
        members.finish()
        # The table takes as much memory as the tree has by now.
        del self._tree
        offset = members.size
        archive, toc_digest = table.archive(superseded)
        members.append(archive)
        members.put(write_footer(offset))
        return Converted(
            digest=members.digest,
            size=members.size,
            diff_id=members.diff_id,
            toc_digest=toc_digest,
            uncompressed_size=members.uncompressed_size,
            source_bytes=source_bytes,
            entries=self._told - len(superseded),
            prioritized=prioritized,
        )
