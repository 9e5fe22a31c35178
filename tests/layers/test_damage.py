"""Damaged and hostile layers are refused with a reason, and leave nothing behind."""

from __future__ import annotations

import gc
import gzip
import io
import os
import random
import tarfile
import tracemalloc
from collections.abc import Iterator

import pytest

from chalicelib.layers.entries import MIB, LayerRefused, Limits
from chalicelib.layers.reading import read_layer
from chalicelib.layers.zstandard import zstd
from tests.layers import archives

FILES = {"etc/os-release": b"ID=debian\n", "a" * 150: b"long name", "usr/bin/env": random.Random(1).randbytes(900)}


def open_files() -> set[str]:
    """What this process has open, by what it is: a temporary file without a name is `/tmp/#… (deleted)`."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue
    return found


def refusal(data: bytes, limits: Limits = archives.USUAL) -> LayerRefused:
    with pytest.raises(LayerRefused) as refused:
        archives.contents(data, limits)
    return refused.value


def outcome(data: bytes) -> dict[str, bytes] | str:
    """Its files, or why it was refused."""
    try:
        return archives.contents(data)
    except LayerRefused as refused:
        return refused.reason


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
def test_cut_off_anywhere_it_is_truncated_or_ends_between_two_entries(form: int) -> None:
    whole = archives.tar(FILES, form)
    ends = {0: 0}
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        for number, member in enumerate(archive.getmembers(), 1):
            ends[member.offset_data + member.size] = number
    for length in range(0, len(whole) - 9216):
        found = outcome(whole[:length])
        if found == "truncated":
            continue
        # Padding may be missing, and so may the blocks that should end it.
        last = max(end for end in ends if end <= length)
        assert length - last < 512 or length >= max(ends)
        assert list(found) == list(FILES)[: ends[last]]


@pytest.mark.parametrize("packing", ["gzip", "zstd", "gzip members", "zstd frames"])
def test_a_compressed_layer_that_is_cut_off_never_passes(packing: str) -> None:
    """Even where all its entries were there: what unpacks it would refuse it too."""
    whole = archives.PACKINGS[packing](archives.tar(FILES))
    between = {len(archives.PACKINGS[packing.split()[0]](archives.tar(FILES)[:700]))}
    for length in range(5, len(whole)):
        if " " in packing and length - min(between) in range(4):
            continue
        assert refusal(whole[:length]).reason == "truncated", length


@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd"])
def test_a_flipped_bit_is_noticed_or_harmless(packing: str) -> None:
    """Never another error than a refusal, and compressed ones are checked to the end."""
    whole = archives.PACKINGS[packing](archives.tar(FILES))
    chance = random.Random(7)
    unnoticed = 0
    for _ in range(1500):
        place, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
        found = outcome(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        assert not isinstance(found, str) or found in ("corrupt", "truncated", "unsupported_compression")
        unnoticed += isinstance(found, dict) and found != FILES
    # What a tar contains has no checksum, nor has what zstd was told to leave unchecked.
    assert packing != "gzip" or unnoticed == 0


def test_rubbish_is_no_archive() -> None:
    for data in (b"x", random.Random(3).randbytes(5000), b"<html>" * 500, gzip.compress(b"hello" * 500)):
        assert refusal(data).reason in ("corrupt", "truncated")


@pytest.mark.parametrize(
    "data",
    [
        archives.header(b"a", size_field=b"-0000000001\0"),
        archives.header(b"a", size_field=b"0000000_001\0"),
        archives.header(b"a", size_field=b"00000000009\0"),
        archives.header(b"a", size_field=b"\xff" * 12),
        archives.header(b"a", size_field=b"\x80" + b"\xff" * 11),
        archives.pax([(b"size", b"-1")]) + archives.header(b"a"),
        archives.pax([(b"size", b"9" * 19)]) + archives.header(b"a"),
        archives.pax([(b"path", b"a\0b")]) + archives.header(b"a"),
        archives.entry(b"x", b"30 path=a\n", b"x") + archives.header(b"a"),
        archives.entry(b"x", b"0 path=a\n", b"x") + archives.header(b"a"),
        archives.entry(b"x", b"path=a\n", b"x") + archives.header(b"a"),
        archives.entry(b"L", b"a/" * 3000, b"L") + archives.header(b"a"),
        archives.entry(b"a") + bytes(512) + archives.entry(b"b"),
    ],
)
def test_what_nobody_could_unpack_is_corrupt(data: bytes) -> None:
    assert refusal(data + archives.END).reason == "corrupt"


@pytest.mark.parametrize(
    ("records", "stored"),
    [
        ([(b"GNU.sparse.map", b"0,10,5,10"), (b"GNU.sparse.size", b"100")], b"x" * 20),
        ([(b"GNU.sparse.map", b"0,10,95,10"), (b"GNU.sparse.size", b"100")], b"x" * 20),
        ([(b"GNU.sparse.map", b"0,10,50,11"), (b"GNU.sparse.size", b"100")], b"x" * 20),
        ([(b"GNU.sparse.map", b"0,10,50"), (b"GNU.sparse.size", b"100")], b"x" * 20),
        ([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"9")], b"9" * 600),
        ([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"9")], b"2\n0\n"),
        ([(b"GNU.sparse.numbytes", b"1"), (b"GNU.sparse.size", b"9")], b""),
    ],
)
def test_holes_that_do_not_fit_are_corrupt(records: list[tuple[bytes, bytes]], stored: bytes) -> None:
    assert refusal(archives.pax(records) + archives.entry(b"a", stored) + archives.END).reason == "corrupt"


def test_extended_headers_are_not_held_at_any_size() -> None:
    for kind in (b"x", b"g", b"L", b"K"):
        data = archives.header(b"x", 8**11 - 1, kind) + bytes(5 * MIB)
        tracemalloc.start()
        assert refusal(data).reason == "too_large"
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MIB


def test_an_extended_header_without_an_entry_is_truncated() -> None:
    assert refusal(archives.pax([(b"path", b"a")])).reason == "truncated"


def zeros(compressed_mib: int) -> Iterator[bytes]:
    """A gzip stream of zeros without end: 1 MiB of it is 1 GiB."""
    start = gzip.compress(archives.header(b"zeros", 8**11 - 1), 1)
    bomb = gzip.compress(bytes(64 * MIB), 9)
    yield start
    for _ in range(compressed_mib * MIB // len(bomb)):
        yield bomb


def test_a_bomb_is_refused_at_the_limit_in_little_memory() -> None:
    """Absolute limits: 40 GiB of zeros in 40 MiB."""
    limits = Limits(bytes_most=300 * MIB)
    tracemalloc.start()
    with pytest.raises(LayerRefused) as refused:
        list(read_layer(zeros(40), limits))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.reason == "too_large"
    assert peak < 80 * MIB  # The test's own 64 MiB to be compressed, and next to nothing.


def test_a_bomb_of_zstd_is_refused_likewise() -> None:
    bomb = zstd.compress(archives.header(b"zeros", 8**11 - 1) + bytes(64 * MIB), 3)
    tracemalloc.start()
    assert refusal(bomb, Limits(bytes_most=32 * MIB)).reason == "too_large"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * MIB


def test_a_file_that_is_too_large_to_be_read_is_named_and_may_be_passed_over() -> None:
    data = archives.entry(b"big", bytes(2 * MIB)) + archives.END
    refused = refusal(data, Limits(file_bytes=MIB))
    assert refused.reason == "too_large"
    assert "big" in refused.message
    assert archives.paths(data, Limits(file_bytes=MIB)) == ["big"]


def test_a_file_of_nothing_but_a_hole_costs_nothing_until_it_is_read() -> None:
    records = [(b"GNU.sparse.map", b"0,1"), (b"GNU.sparse.size", str(2**60).encode())]
    data = archives.pax(records) + archives.entry(b"a", b"x") + archives.END
    assert [(entry.path, entry.size) for entry in read_layer([data])] == [("a", 2**60)]
    assert refusal(data).reason == "too_large"


def test_entries_are_counted_whatever_they_are() -> None:
    limits = Limits(entries=1000)
    for one in (archives.header(b"a"), archives.pax([(b"path", b"a")]), archives.header(b"..")):
        with pytest.raises(LayerRefused) as refused:
            list(read_layer(iter([one * 500] * 3), limits))
        assert refused.value.reason == "too_many_entries"


def test_a_layer_that_takes_too_long_is_given_up() -> None:
    seconds = iter(range(10_000))
    data = archives.entry(b"a", bytes(5 * MIB)) + archives.END
    with pytest.raises(LayerRefused) as refused:
        list(read_layer(archives.chunked(data), Limits(seconds=10), lambda: float(next(seconds))))
    assert refused.value.reason == "too_long"
    assert "10 seconds" in refused.value.message


@pytest.mark.parametrize("how", ["whole", "left", "truncated"])
def test_no_temporary_file_stays(how: str) -> None:
    data = archives.entry(b"big", bytes(3 * MIB)) + archives.entry(b"next", b"x") + archives.END
    before = open_files()
    entries = read_layer(archives.chunked(data[: 2 * MIB] if how == "truncated" else data), Limits(memory_bytes=MIB))
    first = next(entries)
    if how == "truncated":
        with pytest.raises(LayerRefused):
            first.content()
    else:
        assert len(first.content().read()) == 3 * MIB
        assert len(open_files() - before) == 1
    if how == "left":
        entries.close()
    elif how == "whole":
        assert [entry.path for entry in entries] == ["next"]
    del first, entries
    assert open_files() == before


def test_memory_is_back_at_base_after_a_hundred_layers() -> None:
    data = gzip.compress(archives.tar({f"f{number}": bytes(50_000) for number in range(50)}), 1)
    archives.contents(data)
    gc.collect()
    tracemalloc.start()
    for number in range(100):
        try:
            archives.contents(data[: len(data) - number])
        except LayerRefused:
            continue
    gc.collect()
    left = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert left < 100_000


def test_what_the_store_raises_passes_through() -> None:
    def broken() -> Iterator[bytes]:
        yield archives.entry(b"a", b"x")
        raise ConnectionError("the store went away")

    with pytest.raises(ConnectionError):
        list(read_layer(broken()))
