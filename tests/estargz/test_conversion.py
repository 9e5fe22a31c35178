"""A converted layer has the files of its source, for who unpacks it and for who reads its table of contents."""

from __future__ import annotations

import base64
import hashlib
import os
import posixpath
import random
import shutil
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.estargz.conversion import convert
from chalicelib.estargz.models import CHUNK_BYTES, NO_PREFETCH, Recipe
from chalicelib.layers.entries import Limits
from chalicelib.layers.zstandard import zstd
from tests.estargz import layers
from tests.estargz.layers import converted, facts, file, folder, link, tar
from tests.lacking import lacking
from tests.layers import archives

TYPES = {
    tarfile.REGTYPE: "reg",
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
}
segments = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=120).filter(
    lambda name: name not in (".", "..") and not name.startswith(".wh.")
)
paths = st.lists(segments, min_size=1, max_size=4).map("/".join)


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Entries of an archive that can be unpacked: what is above another is a folder, links lead backwards."""
    found: list[tuple[tarfile.TarInfo, bytes]] = []
    chosen = draw(st.lists(paths, max_size=8, unique=True))
    for path in chosen:
        info = tarfile.TarInfo(draw(st.sampled_from(["", "./", "/"])) + path)
        linkable = [other.name for other, _ in found if other.type != tarfile.DIRTYPE]
        kinds = [kind for kind in TYPES if kind != tarfile.LNKTYPE or linkable]
        above = any(other.startswith(path + "/") for other in chosen)
        info.type = tarfile.DIRTYPE if above else draw(st.sampled_from(kinds))
        info.mode = draw(st.integers(0, 0o7777))
        info.mtime = draw(st.integers(0, 2**32) | st.integers(0, 2**32).map(lambda eighths: eighths / 8))
        info.uid, info.gid = draw(st.integers(0, 2**40)), draw(st.integers(0, 70000))
        info.uname, info.gname = draw(st.sampled_from(["", "root", "käthe"])), draw(st.sampled_from(["", "users"]))
        if info.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
            info.devmajor, info.devminor = draw(st.integers(0, 4095)), draw(st.integers(0, 4095))
        if info.type == tarfile.LNKTYPE:
            info.linkname = draw(st.sampled_from(linkable))
        if info.type == tarfile.SYMTYPE:
            info.linkname = draw(paths)
        if draw(st.booleans()):
            info.pax_headers = {
                "SCHILY.xattr.user." + draw(st.sampled_from("ab")): draw(st.text(min_size=1, max_size=9))
            }
        content = draw(st.binary(max_size=3000)) if info.type == tarfile.REGTYPE else b""
        info.size = len(content)
        found.append((info, content))
    return found


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees(), st.sampled_from(list(archives.PACKINGS)), st.integers(1, 5000), st.data())
def test_unpacked_and_in_its_table_it_is_what_the_source_is(
    members: list[tuple[tarfile.TarInfo, bytes]], packing: str, chunk: int, data: st.DataObject
) -> None:
    """A2: names, kinds, modes, owners, times, targets, devices, attributes and contents; first files or none."""
    source = tar(*members)
    told = [posixpath.normpath(info.name.lstrip("/")) for info, _ in members]
    first = data.draw(st.lists(st.sampled_from(told), unique=True)) if told else []
    layer = converted(archives.PACKINGS[packing](source), *first, chunk=chunk)
    assert sorted(facts(layer.tar)) == sorted(facts(source))
    if not first:
        assert layer.tar.startswith(source[: len(source.rstrip(b"\0")) // 512 * 512])
    assert layer.converted.diff_id == "sha256:" + hashlib.sha256(layer.tar).hexdigest()
    assert layer.converted.digest == "sha256:" + hashlib.sha256(layer.blob).hexdigest()
    for info, content in members:
        entry = layer.entry(posixpath.normpath(info.name.lstrip("/")))
        assert entry.type == TYPES[info.type]
        assert (entry.mode, entry.uid, entry.gid) == (info.mode, info.uid, info.gid)
        assert datetime.fromisoformat(entry.modtime) == datetime.fromtimestamp(int(info.mtime), UTC)
        assert entry.size == len(content)
        assert (entry.dev_major, entry.dev_minor) == ((info.devmajor, info.devminor) if info.isdev() else (0, 0))
        xattrs = {key[13:]: base64.b64encode(value.encode()).decode() for key, value in info.pax_headers.items()}
        assert entry.xattrs == xattrs
        assert entry.link_name == (posixpath.normpath(info.linkname.lstrip("/")) if info.islnk() else info.linkname)
    assert layer.converted.entries == len(members) + 1


def test_the_same_layer_and_recipe_make_these_very_bytes() -> None:
    """A2: whoever changes what is written has to raise the converter's version with it."""
    source = tar(
        folder("usr"),
        folder("usr/bin"),
        file("usr/bin/first", b"#!/bin/sh\n" * 900, mtime=1700000000.75),
        file("usr/bin/app", b"\x7fELF" + bytes(range(256)) * 70, mode=0o755),
        link("usr/bin/alias", "usr/bin/app"),
        file("usr/big", random.Random(7).randbytes(64) * (CHUNK_BYTES // 64 + 9)),
        file("empty", pax_headers={"SCHILY.xattr.user.b": "2", "SCHILY.xattr.user.a": "1"}),
    )
    made = {files: converted(source, *files).converted.digest for files in ((), ("usr/bin/alias",))}
    assert made == {
        (): "sha256:7e151003a767bc1e4020b2bbc54512cc8ea7a20321ebd5308e87ebee9107d25e",
        ("usr/bin/alias",): "sha256:668a9a953373a95f4cafa03934c505ce489fd223f1ada30325e28713171bda54",
    }


def sizeable() -> bytes:
    """A layer of many batches, with files of no chunk, one, and three."""
    chance = random.Random(11)
    words = [chance.randbytes(chance.randrange(2, 9)) for _ in range(300)]
    small = [
        file(f"usr/lib/{number}", b"".join(chance.choices(words, k=chance.choice([0, 5, 400, 9000]))))
        for number in range(250)
    ]
    return tar(
        *small, file("usr/large", words[0] * (2 * CHUNK_BYTES // len(words[0]) + 5)), *small[:0], file("end", b".")
    )


def test_any_number_of_workers_writes_the_same() -> None:
    """A2: order comes from the archive, not from who is done first."""
    source = sizeable()
    blobs = {
        converted(source, workers=workers, chunk=chunk).blob for workers, chunk in ((1, 7777), (2, 10**6), (5, 10**5))
    }
    assert len(blobs) == 1


def test_the_environment_makes_no_difference(tmp_path: Path) -> None:
    """A2: time zone, locale and the seed of hashes are not of the recipe."""
    source = tar(*(file(f"a/{number}", b"x" * number, mtime=number * 10**7) for number in range(50)))
    (tmp_path / "layer").write_bytes(source)
    code = (
        "import sys; from chalicelib.estargz.conversion import convert; from chalicelib.estargz.models import Recipe\n"
        "print(convert([open(sys.argv[1], 'rb').read()], Recipe(('a/7',)), lambda part: None, workers=2).digest)"
    )
    other = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "42", "PATH": os.environ["PATH"]}
    run = [sys.executable, "-c", code, str(tmp_path / "layer")]
    digest = subprocess.run(run, env=other, check=True, capture_output=True, text=True).stdout.strip()
    assert digest == converted(source, "a/7").converted.digest


def test_chunks_of_a_large_file_can_be_had_one_by_one() -> None:
    """A2: every chunk but the last says how long it is."""
    content = random.Random(3).randbytes(1000) * (2 * CHUNK_BYTES // 1000 + 1)
    layer = converted(tar(file("large", content), file("exact", content[:CHUNK_BYTES])))
    large = [entry for entry in layer.toc.entries if entry.name == "large"]
    assert [(entry.type, entry.chunk_offset, entry.chunk_size) for entry in large] == [
        ("reg", 0, CHUNK_BYTES),
        ("chunk", CHUNK_BYTES, CHUNK_BYTES),
        ("chunk", 2 * CHUNK_BYTES, 0),
    ]
    assert large[0].digest == "sha256:" + hashlib.sha256(content).hexdigest()
    assert layer.entry("exact").chunk_size == 0


def test_who_unpacks_it_finds_neither_table_nor_landmark(tmp_path: Path) -> None:
    """A2: GNU tar, as clients do, stops where the source ended."""
    if not shutil.which("tar"):
        lacking("no tar on this machine")
    layer = converted(tar(folder("a"), file("a/b", b"b"), file("c", b"c")), "c")
    plain = converted(tar(folder("a"), file("a/b", b"b"), file("c", b"c")))
    for blob, names in ((layer.blob, ["c", "a/", "a/b"]), (plain.blob, ["a/", "a/b", "c"])):
        (tmp_path / "layer").write_bytes(blob)
        command = ["tar", "-tzf", str(tmp_path / "layer")]
        listed = subprocess.run(command, check=True, capture_output=True, text=True)
        assert listed.stdout.split() == names
        assert listed.stderr == ""
    assert plain.names[-1] == NO_PREFETCH


@pytest.mark.parametrize(
    ("tail", "names"),
    [
        (b"", ["a"]),
        (bytes(512), ["a"]),
        (bytes(1024), ["a"]),
        (bytes(10240), ["a"]),
        (bytes(1024) + b"rubbish" * 100, ["a"]),
        (None, []),
    ],
)
def test_wherever_an_archive_stops_the_converted_one_ends_well(tail: bytes | None, names: list[str]) -> None:
    """A2: without its last blocks, with more of them than needed, with rubbish behind them, or with nothing at all."""
    layer = converted(b"" if tail is None else archives.entry(b"a", b"content") + tail)
    assert [fact.name for fact in facts(layer.tar)] == names
    end = len(archives.entry(b"a", b"content")) * len(names)
    assert layer.tar[end : end + 1024] == bytes(1024)
    assert layer.names == [*names, NO_PREFETCH]


def test_an_archive_without_the_last_padding_gets_it() -> None:
    """A2: though the file comes first then."""
    source = archives.entry(b"b", b"other") + archives.header(b"a", 3) + b"abc"
    for files in ((), ("a",)):
        assert {fact.name: fact.content for fact in facts(converted(source, *files).tar)} == {
            "a": b"abc",
            "b": b"other",
        }


def test_of_several_entries_with_one_name_the_table_has_the_last() -> None:
    """A2: the archive keeps them all, and who unpacks it overwrites the first."""
    source = tar(folder("d"), file("a", b"old"), folder("d", uid=7), file("a", b"new"), file("z", b"z"))
    layer = converted(source, "a", "d", "z")
    assert [fact.content for fact in facts(layer.tar) if fact.name == "a"] == [b"old", b"new"]
    assert layer.entry("a").digest == "sha256:" + hashlib.sha256(b"new").hexdigest()
    assert layer.entry("d").uid == 7
    assert sorted(layer.names) == [".prefetch.landmark", "a", "d", "z"]


def test_what_an_earlier_conversion_left_is_dropped() -> None:
    """A3: its table told of other bytes."""
    names = [".prefetch.landmark", "./stargz.index.json", ".no.prefetch.landmark", "a", "x/stargz.index.json"]
    layer = converted(tar(*(file(name, b"content") for name in names)))
    assert [fact.name for fact in facts(layer.tar)] == ["a", "x/stargz.index.json"]
    assert layer.names == ["a", "x/stargz.index.json", NO_PREFETCH]


@pytest.mark.parametrize("arguments", ["gnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix"])
@pytest.mark.parametrize("name", ["holes", "holes" + "s" * 120])
def test_files_with_holes_become_whole(tmp_path: Path, arguments: str, name: str) -> None:
    """A2: the four ways in which GNU tar writes them."""
    if not shutil.which("tar"):
        lacking("no tar on this machine")
    with (tmp_path / name).open("wb") as holes:
        for number in range(40):
            holes.seek(number * 65536 * 2)
            holes.write(b"%d" % number * 5000)
        holes.truncate(40 * 65536 * 2 + 12345)
    (tmp_path / "after").write_bytes(b"after")
    command = ["tar", "-C", str(tmp_path), f"--format={arguments.split()[0]}", *arguments.split()[1:], "-S", "-cf", "-"]
    source = subprocess.run([*command, name, "after"], check=True, capture_output=True).stdout
    expected = {path: (tmp_path / path).read_bytes() for path in (name, "after")}
    for files in ((), ("after",)):
        layer = converted(source, *files)
        assert {fact.name: fact.content for fact in facts(layer.tar)} == expected
        assert layer.entry(name).digest == "sha256:" + hashlib.sha256(expected[name]).hexdigest()
        assert {fact.type for fact in facts(layer.tar)} == {tarfile.REGTYPE}


def test_times_are_rounded_down_and_told_even_if_they_are_1970() -> None:
    """A2: what is younger than it was would be taken for stale; what unpackers make 1970 of is 1970."""
    moments = {"half": 1.75, "zero": 0, "before": -1, "late": 2**40}
    layer = converted(tar(*(file(name, mtime=when) for name, when in moments.items()), form=tarfile.GNU_FORMAT))
    fractions = converted(tar(file("half", mtime=1.75)))
    told = {entry.name: entry.modtime for entry in (*layer.toc.entries, *fractions.toc.entries)}
    assert told["half"] == "1970-01-01T00:00:01Z"
    assert told["zero"] == told["before"] == told["late"] == "1970-01-01T00:00:00Z"


def test_headers_in_any_number_are_cut_into_members() -> None:
    """A2: what lies between two files has to fit into memory; the table stays right."""
    links = (link(f"links/{number:06d}", "x" * 90, tarfile.SYMTYPE) for number in range(9000))
    layer = converted(tar(file("a", b"a"), *links, file("b", b"b"), form=tarfile.GNU_FORMAT))
    assert layer.converted.entries == 9003
    span = layer.blob[layer.entry("a").offset : layer.entry("b").offset]
    assert span.count(b"\x1f\x8b\x08\0\0\0\0\0\0\xff") > 1


def test_how_far_it_has_come_is_heard_and_can_end_it() -> None:
    """A2: a claim that is lost ends the work."""
    heard: list[int] = []
    source = archives.PACKINGS["gzip"](sizeable())
    convert(archives.chunked(source), Recipe(), lambda part: None, beat=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == len(source)

    def lost(taken: int) -> None:
        raise TimeoutError(taken)

    for files in ((), ("end",)):
        with pytest.raises(TimeoutError):
            convert(archives.chunked(source), Recipe(files), lambda part: None, workers=2, beat=lost)


def test_zstd_frames_are_read_as_gzip_is() -> None:
    """A2: compressions make no difference to the converted layer."""
    source = tar(file("a", b"a" * 5000))
    assert converted(zstd.compress(source)).blob == converted(source).blob


def test_written_parts_are_the_blob() -> None:
    """A2: in order, and nothing twice."""
    parts: list[bytes] = []
    result = convert([sizeable()], Recipe(), parts.append, workers=3, limits=Limits())
    assert (result.digest, result.size) == (
        "sha256:" + hashlib.sha256(b"".join(parts)).hexdigest(),
        sum(map(len, parts)),
    )
    assert layers.verified(b"".join(parts), result.toc_digest).digest == result.toc_digest
