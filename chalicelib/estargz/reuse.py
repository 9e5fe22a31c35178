"""Layers that are converted already, by whomever, need only to be told of: whether this is one of them."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from chalicelib.layers.decompression import decompressed
from chalicelib.layers.entries import LayerRefused, Limits

from .archive import Item, Tape, walk
from .models import OWN_NAMES, PREFETCH, ConversionRefused, Converted, LayerUnsound, Recipe
from .toc import Read, Toc, TocEntry, read_toc
from .tree import Tree
from .verification import verified

_USUAL: Final = Limits()
_PIECE_BYTES: Final = 1024 * 1024
# Of a table of contents, which lies in memory as a whole. Larger ones are made anew.
_TOC_BYTES: Final = 32 * 1024 * 1024


def converted_already(
    read: Read,
    size: int,
    recipe: Recipe,
    *,
    limits: Limits = _USUAL,
    beat: Callable[[int], None] = lambda taken: None,
    clock: Callable[[], float] = time.monotonic,
) -> Converted | None:
    """What the layer is, if it is sound, its table of contents agrees with its archive, and files of the recipe come
    first in it; None otherwise. Of most other layers nothing but the last bytes are read.

    beat  hears now and then where in the blob it reads, twice; it may raise to end it

    Raises what `read` and `beat` raise.
    """

    def reading(at: int, wanted: int) -> bytes:
        beat(at)
        return read(at, wanted)

    try:
        toc = read_toc(read, size, _TOC_BYTES)
        first = _first(toc)
        if not _come_first(recipe, toc, first):
            return None
        blob, stream = hashlib.sha256(), hashlib.sha256()
        tape = Tape(_hashed(decompressed(_hashed(_blocks(reading, size), blob)), stream), limits, clock)
        if not _agrees(toc, tape, limits):
            return None
        # Last, because it knows no limits but those that the layer has kept by now.
        verified(reading, toc)
    except (LayerUnsound, LayerRefused, ConversionRefused):
        return None
    return Converted(
        digest=f"sha256:{blob.hexdigest()}",
        size=size,
        diff_id=f"sha256:{stream.hexdigest()}",
        toc_digest=toc.digest,
        uncompressed_size=tape.position,
        source_bytes=tape.position,
        entries=sum(entry.type != "chunk" for entry in toc.entries),
        prioritized=len(first),
    )


def _first(toc: Toc) -> set[str]:
    """Files before the landmark, if there is one that says so."""
    found: set[str] = set()
    for entry in toc.entries:
        if entry.path == PREFETCH:
            return found
        if entry.type not in ("dir", "chunk"):
            found.add(entry.path)
    return set()


def _come_first(recipe: Recipe, toc: Toc, first: set[str]) -> bool:
    wanted = set(recipe.files)
    return all(
        entry.path in first for entry in toc.entries if entry.path in wanted and entry.type not in ("dir", "chunk")
    )


def _agrees(toc: Toc, tape: Tape, limits: Limits) -> bool:
    told = {entry.path: entry for entry in toc.entries if entry.type != "chunk" and entry.path not in OWN_NAMES}
    tree, last = Tree(), {}
    for number, item in enumerate(walk(tape, limits)):
        if item.sparse:
            return False
        digest = hashlib.sha256()
        for piece in item.pieces(item.size):
            digest.update(piece)
        item.padding()
        if not item.kind or item.path in OWN_NAMES:
            continue
        tree.add(item, number)
        entry = told.get(item.path)
        if entry is None:
            return False
        # Of several with one name the last counts.
        last[item.path] = _same(item, entry, f"sha256:{digest.hexdigest()}")
    return len(last) == len(told) and all(last.values())


def _same(item: Item, entry: TocEntry, digest: str) -> bool:
    told = (entry.type, entry.size, entry.mode & 0o7777, entry.uid, entry.gid, entry.dev_major, entry.dev_minor)
    found = (item.kind, item.size, item.mode, item.uid, item.gid, item.major, item.minor)
    link = (
        entry.link_name
        if item.kind == "symlink"
        else "/".join(p for p in entry.link_name.split("/") if p not in ("", "."))
    )
    xattrs = {key: base64.b64encode(value).decode() for key, value in item.xattrs}
    content = not item.size or entry.digest == digest
    return (
        told == found
        and link == item.target
        and entry.xattrs == xattrs
        and _seconds(entry) == item.modified
        and content
    )


def _seconds(entry: TocEntry) -> int:
    try:
        return int(datetime.fromisoformat(entry.modtime).timestamp()) if entry.modtime else 0
    except (ValueError, OverflowError) as wrong:
        raise LayerUnsound(f"{entry.name} was modified at {entry.modtime!r}.") from wrong


def _blocks(read: Read, size: int) -> Iterator[bytes]:
    for at in range(0, size, _PIECE_BYTES):
        piece = read(at, min(_PIECE_BYTES, size - at))
        if not piece:
            raise LayerUnsound("The layer ends before it is through.")
        yield piece


def _hashed(blocks: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for block in blocks:
        digest.update(block)
        yield block
