"""Nothing of a layer can be changed without being found out, and what is sound and agrees is used as it is."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from chalicelib.estargz.footer import write_footer
from chalicelib.estargz.models import LayerUnsound, Recipe
from chalicelib.estargz.reuse import converted_already
from chalicelib.estargz.toc import read_toc
from chalicelib.layers.entries import Limits
from tests.estargz.layers import Layer, converted, facts, file, folder, link, tar, verified

SOURCE = tar(
    folder("usr"),
    file("usr/a", b"first" * 300, mtime=12345),
    file("usr/b", random.Random(5).randbytes(700), pax_headers={"SCHILY.xattr.user.a": "b"}),
    link("usr/c", "usr/a"),
    file("usr/.wh.gone"),
    link("d", "usr", tarfile.SYMTYPE),
)
Change = Callable[[list[dict[str, Any]]], object]


def reused(blob: bytes, *files: str, limits: Limits | None = None) -> object:
    read = lambda at, size: blob[at : at + size]  # noqa: E731
    return converted_already(read, len(blob), Recipe(files), limits=limits or Limits())


def with_table(layer: Layer, change: Change, indent: int | None = None) -> bytes:
    """The same layer with another table of contents, written as the Go library writes it."""
    document = json.loads(table(layer))
    change(document["entries"])
    return layer.blob[: layer.toc.offset] + tail(json.dumps(document, indent=indent).encode(), layer.toc.offset)


def table(layer: Layer) -> bytes:
    member = gzip.decompress(layer.blob[layer.toc.offset :])
    with tarfile.open(fileobj=io.BytesIO(member)) as archive:
        content = archive.extractfile("stargz.index.json")
        assert content is not None
        return content.read()


def tail(document: bytes, offset: int) -> bytes:
    compressed = bytearray(gzip.compress(tar(file("stargz.index.json", document)), mtime=0))
    compressed[9] = 255
    return bytes(compressed) + write_footer(offset)


def entry(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def test_every_changed_byte_is_found() -> None:
    """A2: of contents, headers, padding, the table and the footer, unless it makes no difference to any of them."""
    layer = converted(SOURCE, "usr/b")
    chance, found = random.Random(9), 0
    for at in range(len(layer.blob)):
        changed = bytearray(layer.blob)
        changed[at] ^= 1 << chance.randrange(8)
        try:
            verified(bytes(changed))
        except LayerUnsound:
            found += 1
            continue
        # Bits between blocks, or another way to say the same.
        assert gzip.decompress(changed) == layer.tar
    assert found > 0.97 * len(layer.blob)


def test_cut_off_at_any_place_it_is_found() -> None:
    """A2: and with anything behind it."""
    layer = converted(SOURCE)
    for size in (0, 50, 51, 700, len(layer.blob) - 52, len(layer.blob) - 51, len(layer.blob) - 1):
        with pytest.raises(LayerUnsound):
            verified(layer.blob[:size])
    with pytest.raises(LayerUnsound):
        verified(layer.blob + b"\0")


def test_another_table_than_the_image_names_is_found() -> None:
    """A2: the annotation is what a signed manifest vouches for."""
    layer = converted(SOURCE)
    assert verified(layer.blob, layer.converted.toc_digest).digest == layer.converted.toc_digest
    with pytest.raises(LayerUnsound):
        verified(layer.blob, "sha256:" + "0" * 64)


CHANGES: dict[str, Change] = {
    "a chunk's digest": lambda entries: entry(entries, "usr/a").update(chunkDigest="sha256:" + "0" * 64),
    "a file's digest": lambda entries: entry(entries, "usr/a").update(digest="sha256:" + "0" * 64),
    "a size": lambda entries: entry(entries, "usr/a").update(size=1499),
    "an offset": lambda entries: entry(entries, "usr/a").update(offset=entry(entries, "usr/b")["offset"]),
    "disorder": lambda entries: entries.reverse(),
    "a missing target": lambda entries: entry(entries, "usr/c").update(linkName="usr/nothing"),
    "a circle of links": lambda entries: entry(entries, "usr/c").update(linkName="usr/c"),
    "an unknown type": lambda entries: entry(entries, "d").update(type="door"),
    "one name twice": lambda entries: entries.append(dict(entry(entries, "d"))),
    "no landmark": lambda entries: entries.remove(entry(entries, ".no.prefetch.landmark")),
    "shared members": lambda entries: entry(entries, "usr/a").update(innerOffset=1),
    "a chunk of nothing": lambda entries: entries.insert(0, {"name": "usr/a", "type": "chunk", "offset": 9}),
    "a number that is none": lambda entries: entry(entries, "usr/a").update(size="1500"),
}


@pytest.mark.parametrize("what", list(CHANGES))
def test_a_table_that_contradicts_itself_or_the_bytes_is_found(what: str) -> None:
    """A2: with a footer and a digest that are right."""
    layer = converted(SOURCE)
    assert verified(with_table(layer, lambda entries: None, indent=1))
    with pytest.raises(LayerUnsound):
        verified(with_table(layer, CHANGES[what]))


def test_a_layer_that_is_converted_already_is_used_as_it_is() -> None:
    """A3: ours, and ones whose table others wrote; the answer is what converting would have told."""
    layer = converted(SOURCE)
    found = reused(layer.blob)
    assert found is not None
    told = ("digest", "size", "diff_id", "toc_digest", "uncompressed_size", "entries", "prioritized")
    assert [getattr(found, name) for name in told] == [getattr(layer.converted, name) for name in told]
    assert reused(with_table(layer, lambda entries: entry(entries, "usr").update(name="./usr/"), indent=1)) is not None
    assert getattr(reused(converted(SOURCE, "usr/b").blob, "usr/b", "no/such"), "prioritized", 0) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"mode": 0o777},
        {"uid": 5},
        {"gid": 5},
        {"modtime": "1970-01-01T00:00:01Z"},
        {"modtime": "yesterday"},
        {"type": "symlink", "linkName": "elsewhere"},
        {"xattrs": {"user.a": "eA=="}},
        {"name": "other"},
        {"devMajor": 1},
    ],
)
def test_a_table_that_tells_another_story_than_the_archive_is_not_trusted(change: dict[str, object]) -> None:
    """A3: who unpacks the layer and who loads it lazily would see two images."""
    layer = converted(SOURCE)
    changed = with_table(layer, lambda entries: entry(entries, "usr/.wh.gone").update(change))
    assert verified(changed)
    assert reused(changed) is None


def test_files_that_the_table_hides_or_adds_are_found() -> None:
    """A3: of either kind."""
    layer = converted(SOURCE)
    assert reused(with_table(layer, lambda entries: entries.remove(entry(entries, "d")))) is None
    added = {"name": "e", "type": "symlink", "linkName": "x"}
    assert reused(with_table(layer, lambda entries: entries.append(added))) is None


def test_what_is_not_converted_or_not_for_these_files_or_too_large_is_converted() -> None:
    """A3: a plain layer, one whose first files are others, one over its limits."""
    layer = converted(SOURCE)
    assert reused(gzip.compress(SOURCE)) is None
    assert reused(b"") is None
    assert reused(layer.blob, "usr/b") is None
    assert reused(layer.blob, limits=Limits(bytes_most=1000)) is None
    assert reused(layer.blob[:-51] + write_footer(0)) is None


def test_a_table_of_entries_that_tell_nothing_is_not_read() -> None:
    """A2: a megabyte of them would take half a gigabyte of memory."""
    for count, refused in ((200, False), (201, True)):
        document = b'{"version":1,"entries":[%s]}' % b",".join([b'{"name":"a","type":"dir"}'] * (count - 1))
        blob = tail(document, 0)
        with pytest.raises(LayerUnsound, match="more entries") if refused else nullcontext():
            assert len(read_toc(lambda at, size, blob=blob: blob[at : at + size], len(blob), 16_000).entries) == 199  # type: ignore[misc]


def test_converted_again_it_has_the_same_files() -> None:
    """A3: marks of the first time do no harm."""
    once = converted(SOURCE, "usr/b")
    again = converted(once.blob, "d")
    assert sorted(facts(again.tar)) == sorted(facts(SOURCE))
    assert converted(converted(SOURCE).blob).blob == converted(SOURCE).blob
