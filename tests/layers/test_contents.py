"""The list of a layer's files says what the layer does, and stays small."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from chalicelib.layers.contents import ContentsWriter, FileFact, read_contents
from chalicelib.layers.entries import MIB
from chalicelib.layers.reading import read_layer
from tests.layers import archives


def listed(data: bytes) -> bytes:
    writer = ContentsWriter()
    for entry in read_layer([data]):
        writer.add(entry)
    return writer.finish()


def test_a_list_has_every_entry_as_the_layer_has_it() -> None:
    """D1: wasted bytes are computed from it."""
    data = (
        archives.entry(b"usr/bin/caf\xc3\xa9", b"four")
        + archives.header(b"usr/bin/hard", 0, b"1", target=b"./usr/bin/caf\xc3\xa9")
        + archives.header(b"usr/lib", 0, b"2", target=b"../lib")
        + archives.header(b"dev/null", 0, b"3")
        + archives.header(b"run/", 0, b"5")
        + archives.header(b"run/fifo", 0, b"6")
        + archives.entry(b"etc/.wh.motd")
        + archives.entry(b"line\nbreak", b"x")
        + archives.END
    )
    assert list(read_contents(listed(data))) == [
        FileFact("usr/bin/café", "file", 4, 0o644, 1000, ""),
        FileFact("usr/bin/hard", "link", 0, 0o644, 1000, "usr/bin/café"),
        FileFact("usr/lib", "symlink", 0, 0o644, 1000, "../lib"),
        FileFact("dev/null", "device", 0, 0o644, 1000, ""),
        FileFact("run", "folder", 0, 0o644, 1000, ""),
        FileFact("run/fifo", "fifo", 0, 0o644, 1000, ""),
        FileFact("etc/.wh.motd", "file", 0, 0o644, 1000, ""),
        FileFact("line\nbreak", "file", 1, 0o644, 1000, ""),
    ]


def test_an_empty_layer_has_an_empty_list() -> None:
    assert list(read_contents(listed(b""))) == []


def test_twenty_thousand_entries_are_told_in_little_memory_and_bytes() -> None:
    names = [b"usr/share/doc/package-%d/some/file-%d.html" % (n % 300, n) for n in range(20_000)]
    data = listed(b"".join(archives.header(name) for name in names))
    assert len(data) < 20_000 * 12
    tracemalloc.start()
    count = sum(1 for _ in read_contents(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 4 * MIB


def test_what_is_no_list_or_not_whole_is_refused() -> None:
    data = listed(b"".join(archives.header(b"file-%d" % number) for number in range(200)))
    chance = random.Random(5)
    for length in range(len(data)):
        with pytest.raises(ValueError, match="list of a layer"):
            list(read_contents(data[:length]))
    with pytest.raises(ValueError, match="list of a layer"):
        list(read_contents(chance.randbytes(100)))
