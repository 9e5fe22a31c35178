"""A layer is read as the standard library reads it, whoever wrote it."""

from __future__ import annotations

import io
import posixpath
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.layers.entries import LayerRefused, Limits
from chalicelib.layers.reading import read_layer
from tests.lacking import lacking
from tests.layers import archives

KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "link",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
}
segments = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60)
names = st.lists(segments, min_size=1, max_size=5).map("/".join)


@st.composite
def members(draw: st.DrawFn) -> list[tuple[tarfile.TarInfo, bytes]]:
    found = []
    for name in draw(st.lists(names, max_size=6)):
        info = tarfile.TarInfo(draw(st.sampled_from(["", "./", "/"])) + name)
        info.type = draw(st.sampled_from(list(KINDS)))
        info.mode = draw(st.integers(0, 0o7777))
        info.mtime = draw(st.integers(0, 2**40))
        info.linkname = draw(names) if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
        content = draw(st.binary(max_size=3000)) if info.type == tarfile.REGTYPE else b""
        info.size = len(content)
        found.append((info, content))
    return found


def normal(name: str) -> str:
    path = posixpath.normpath(name.strip("/"))
    return "" if path == "." or (path.startswith("..") and path.split("/")[0] == "..") else path.lstrip("/")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    members(),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.sampled_from(list(archives.PACKINGS)),
    st.integers(1, 5000),
)
def test_every_entry_is_what_the_standard_library_says(
    given_members: list[tuple[tarfile.TarInfo, bytes]], form: int, packing: str, chunk: int
) -> None:
    """S3: names, kinds, sizes, modes, times, targets and contents; all compressions; any cut of the stream."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, errors="surrogateescape") as archive:
        for info, content in given_members:
            archive.addfile(info, io.BytesIO(content))
    expected = []
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as archive:
        for info in archive:
            content = archive.extractfile(info).read() if info.isreg() else b""  # type: ignore[union-attr]
            target = normal(info.linkname) if info.islnk() else info.linkname
            if path := normal(info.name):
                kind = KINDS[info.type]
                expected.append((path, kind, len(content), info.mode, int(info.mtime), target, content))
    packed = archives.PACKINGS[packing](buffer.getvalue())
    seen = []
    for entry in read_layer(archives.chunked(packed, chunk)):
        content = b""
        if entry.kind == "file":
            start = entry.peek(300)
            content = entry.content().read()
            assert content.startswith(start)
            assert len(start) == min(300, len(content))
        seen.append((entry.path, entry.kind, entry.size, entry.mode, entry.modified, entry.target, content))
    assert seen == expected


@pytest.mark.parametrize("arguments", ["gnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix"])
@pytest.mark.parametrize("memory", [10**9, 1000])
def test_files_with_holes_have_their_whole_content(tmp_path: Path, arguments: str, memory: int) -> None:
    """S3: the four ways in which GNU tar writes them, in memory and in a file."""
    if not shutil.which("tar"):
        lacking("no tar on this machine")
    with (tmp_path / "holes").open("wb") as file:
        for number in range(40):
            file.seek(number * 65536 * 2)
            file.write(b"%d" % number * 5000)
        file.truncate(40 * 65536 * 2 + 12345)
    (tmp_path / "after").write_bytes(b"after")
    command = ["tar", "-C", str(tmp_path), f"--format={arguments.split()[0]}", *arguments.split()[1:], "-S", "-cf", "-"]
    data = subprocess.run([*command, "holes", "after"], check=True, capture_output=True).stdout
    assert len(data) < 1_000_000
    expected = {name: (tmp_path / name).read_bytes() for name in ("holes", "after")}
    assert archives.contents(data, Limits(memory_bytes=memory)) == expected
    # Passed over, the next entry is found all the same; looked into, it begins as it should.
    sizes = [(entry.path, entry.size, entry.peek(3)) for entry in read_layer(archives.chunked(data))]
    assert sizes == [("holes", len(expected["holes"]), b"000"), ("after", 5, b"aft")]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"./usr/bin/env", "usr/bin/env"),
        (b"/usr/bin/env", "usr/bin/env"),
        (b"usr//bin/./env", "usr/bin/env"),
        (b"usr/lib/../bin/env", "usr/bin/env"),
        (b"root/.bashrc", "root/.bashrc"),
        (b"..data/x", "..data/x"),
        (b"usr/.wh.bin", "usr/.wh.bin"),
        (b"usr/.wh..wh..opq", "usr/.wh..wh..opq"),
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", "caf\ufffd"),
    ],
)
def test_names_become_paths_below_the_root(name: bytes, path: str) -> None:
    assert archives.paths(archives.entry(name) + archives.END) == [path]


@pytest.mark.parametrize("name", [b"../etc/shadow", b"usr/../../etc/shadow", b"./", b"/", b".", b"..", b"", b"a/.."])
def test_what_lies_outside_of_the_root_never_appears(name: bytes) -> None:
    """Traversal: nothing is unpacked anyway, and nobody mistakes it for a file of the image."""
    data = archives.entry(name, b"x") + archives.entry(b"next", b"y") + archives.END
    assert archives.contents(data) == {"next": b"y"}


def test_what_unpacks_nowhere_is_passed_over() -> None:
    """Volume labels and kinds that nobody knows, with what follows them."""
    data = archives.entry(b"label", b"x" * 600, b"V") + archives.entry(b"odd", b"x", b"Z") + archives.entry(b"a", b"y")
    assert archives.contents(data + archives.END) == {"a": b"y"}


def test_links_and_folders_have_no_content_whatever_their_size_says() -> None:
    data = b"".join(archives.header(b"entry", 5000, kind) for kind in (b"1", b"2", b"3", b"4", b"5", b"6"))
    seen = [(entry.kind, entry.size) for entry in read_layer([data + archives.entry(b"a", b"y") + archives.END])]
    assert [size for _, size in seen] == [0] * 6 + [1]
    assert [kind for kind, _ in seen] == ["link", "symlink", "device", "device", "folder", "fifo", "file"]


def test_the_oldest_format_says_by_the_name_that_something_is_a_folder() -> None:
    data = archives.header(b"old/", 0, b"\0") + archives.entry(b"old/file", b"x", b"\0") + archives.END
    assert [(entry.path, entry.kind) for entry in read_layer([data])] == [("old", "folder"), ("old/file", "file")]


def test_sizes_may_be_binary_and_prefixes_long() -> None:
    size = b"\x80" + bytes(10) + b"\x03"
    long = archives.header(b"file", prefix=b"a/" * 70, size_field=size) + archives.padded(b"abc")
    assert archives.contents(long + archives.END) == {"a/" * 70 + "file": b"abc"}


def test_records_of_a_whole_archive_rename_nothing() -> None:
    """What unpacks images does not heed them; archives of git begin with such a record."""
    records = archives.pax([(b"path", b"renamed")])
    everywhere = archives.header(b"pax_global_header", len(records) - 512, b"g") + records[512:]
    # The size in its own header is that of the records, and not of the blocks they fill.
    exact = int(records[124:135], 8)
    everywhere = archives.header(b"pax_global_header", exact, b"g") + records[512:]
    assert archives.paths(everywhere + archives.entry(b"name") + archives.END) == ["name"]


def test_records_say_sizes_that_headers_cannot() -> None:
    data = archives.pax([(b"size", b"3"), (b"path", b"renamed"), (b"mtime", b"17.25")])
    (entry,) = read_layer([data + archives.header(b"name", 0) + archives.padded(b"abc") + archives.END])
    assert (entry.path, entry.size, entry.modified) == ("renamed", 3, 17)


def test_content_is_there_until_the_next_entry_and_from_its_beginning_each_time() -> None:
    entries = read_layer([archives.entry(b"a", b"first") + archives.entry(b"b", b"second") + archives.END])
    first = next(entries)
    content = first.content()
    assert (content.read(2), first.content().read(), first.peek(3)) == (b"fi", b"first", b"fir")
    assert next(entries).content().read() == b"second"
    assert content.closed
    with pytest.raises(ValueError, match="passed by"):
        first.content()
    with pytest.raises(ValueError, match="passed by"):
        first.peek(1)


def test_an_image_of_nothing_has_layers_of_nothing() -> None:
    for data in (b"", bytes(512), bytes(1024), bytes(10240)):
        assert archives.paths(data) == []
        assert archives.paths(archives.PACKINGS["gzip"](data)) == []
        assert archives.paths(archives.PACKINGS["zstd"](data)) == []


@pytest.mark.parametrize("magic", [b"BZh91AY&SY", b"\xfd7zXZ\x00rest", b"\x04\x22\x4d\x18rest", b"LZIP\x01rest"])
def test_other_compressions_are_named(magic: bytes) -> None:
    with pytest.raises(LayerRefused) as refused:
        archives.paths(magic + bytes(100))
    assert refused.value.reason == "unsupported_compression"


def test_what_follows_the_end_is_left_alone() -> None:
    """Indexes of lazily pulled layers, padding to whole records, rubbish behind a gzip stream."""
    data = archives.entry(b"a", b"x") + archives.END
    assert archives.paths(data + bytes(9000)) == ["a"]
    assert archives.paths(data + archives.entry(b"b") + archives.END) == ["a"]
    assert archives.paths(archives.PACKINGS["gzip"](data) + b"rubbish") == ["a"]
    assert archives.paths(archives.PACKINGS["zstd"](data) + b"rubbish") == ["a"]
