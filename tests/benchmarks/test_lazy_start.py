"""The client that loads lazily asks for what the snapshotter asks for, and what is made of its figures (A1, A2)."""

import hashlib
import http.client
import io
import random
import re
import tarfile
import zlib
from email.message import Message
from pathlib import Path
from typing import cast

import pytest

from benchmarks.bars import Panel, draw
from benchmarks.lazy_client import BLOCK_BYTES, LazyLayer, Registry
from benchmarks.sections import write_section
from benchmarks.working_set import Read, reads_of
from chalicelib.estargz.conversion import convert
from chalicelib.estargz.models import Recipe

_FILES = {f"srv/{name}": 200_000 for name in "abcdef"}


class _Answer:
    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = Message()
        for name, value in headers.items():
            self.headers[name] = value


class _Stored(Registry):
    """One blob, as a server has it that knows no requests of several ranges."""

    def __init__(self, blob: bytes) -> None:
        super().__init__(0, "library/app", {})
        self.blob = blob
        self.asked: list[str] = []

    def ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        wanted = headers.get("Range", "")
        self.asked.append(wanted or method)
        self.traffic.requests += 1
        if not wanted or "," in wanted:
            body = b"" if method == "HEAD" else self.blob
            answer = _Answer(200, {"Content-Length": str(len(self.blob))})
        else:
            start, end = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
            body = self.blob[start : end + 1]
            answer = _Answer(206, {"Content-Range": f"bytes {start}-{end}/{len(self.blob)}"})
        self.traffic.size += len(body)
        return cast(http.client.HTTPResponse, answer), body


def _opened(*first: str) -> tuple[_Stored, LazyLayer]:
    chance, source, made = random.Random(1), io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=source, mode="w") as archive:
        for path, size in _FILES.items():
            info = tarfile.TarInfo(path)
            info.size = size
            archive.addfile(info, io.BytesIO(chance.randbytes(size)))

    def keep(data: bytes) -> None:
        made.write(data)

    told = convert([source.getvalue()], Recipe(first), keep)
    registry = _Stored(made.getvalue())
    return registry, LazyLayer(registry, f"sha256:{hashlib.sha256(made.getvalue()).hexdigest()}", told.toc_digest)


def test_a_layer_is_opened_by_four_requests_or_fewer_and_little_of_it() -> None:
    registry, layer = _opened()
    assert registry.asked[:2] == ["bytes=0-1", "HEAD"]
    assert len(registry.asked) <= 4
    assert registry.traffic.size < 3 * BLOCK_BYTES
    assert layer.files.keys() >= _FILES.keys()


def test_a_file_is_loaded_once_in_one_request_of_whole_blocks() -> None:
    registry, layer = _opened()
    before = registry.traffic.copy()
    assert layer.read("srv/c", 0, 10)
    assert layer.read("srv/c", 100_000, 200_000)
    loaded = registry.traffic - before
    assert loaded.requests == 1
    assert _FILES["srv/c"] < loaded.size <= _FILES["srv/c"] + 2 * BLOCK_BYTES
    assert not layer.read("srv/none", 0, 1)


def test_files_that_come_first_are_loaded_by_one_request_before_they_are_read() -> None:
    registry, layer = _opened("srv/e", "srv/b")
    layer.prefetch()
    before = registry.traffic.copy()
    assert layer.read("srv/e", 0, 200_000)
    assert layer.read("srv/b", 0, 200_000)
    assert (registry.traffic - before).requests == 0


def test_a_hole_in_what_is_missing_is_asked_for_by_several_ranges_and_brings_the_whole_layer() -> None:
    registry, layer = _opened()
    start = layer.files["srv/c"][0].offset
    layer._bytes(start + 2 * BLOCK_BYTES, start + 2 * BLOCK_BYTES + 1)
    layer.read("srv/c", 0, 1)
    assert "," in registry.asked[-1]
    assert registry.whole == 1
    before = registry.traffic.copy()
    layer.read_all()
    assert (registry.traffic - before).requests == 0


def test_a_chunk_that_is_not_what_the_table_says_ends_the_run() -> None:
    registry, layer = _opened()
    at = layer.files["srv/d"][0].offset + 1_000
    registry.blob = registry.blob[:at] + bytes([registry.blob[at] ^ 255]) + registry.blob[at + 1 :]
    with pytest.raises((SystemExit, zlib.error)):
        layer.read("srv/d", 0, 1)


def test_pages_that_come_in_a_row_are_one_read_and_end_with_the_file() -> None:
    begins = "  app-1 [000] ..... 1.0: mm_filemap_add_to_page_cache: dev 254:0 ino"
    lines = [
        f"{begins} 1f pfn=0x1 ofs=0 order=0",
        f"{begins} 1f pfn=0x2 ofs=4096 order=0",
        f"{begins} 2a pfn=0x3 ofs=0 order=2",
        f"{begins} ff pfn=0x4 ofs=0",
        f"{begins} 1f pfn=0x5 ofs=16384",
    ]
    inodes = {(254, 0, 0x1F): ("bin/a", 18_000), (254, 0, 0x2A): ("bin/b", 100_000)}
    assert list(reads_of(lines, inodes)) == [
        Read("bin/a", 0, 8192),
        Read("bin/b", 0, 16384),
        Read("bin/a", 16384, 18_000),
    ]


def test_a_section_replaces_itself_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    write_section(page, "A page", "## 2. Later\n\nb\n")
    write_section(page, "A page", "## 1. Sooner\n\na\n\n### Part\n\nof it\n")
    write_section(page, "A page", "## 2. Later\n\nc\n")
    assert page.read_text() == "# A page\n\n## 1. Sooner\n\na\n\n### Part\n\nof it\n\n## 2. Later\n\nc\n"


def test_a_plot_has_a_bar_for_each_value_as_long_as_it_is() -> None:
    panels = [Panel("size", "MB", [[10.0, 5.0], [2.0, 1.0]]), Panel("time", "s", [[4.0, 1.0], [2.0, 1.0]])]
    drawn = draw("A plot & more", ["one", "two"], ["plain", "lazy"], panels)
    bars = [float(width) for width in re.findall(r'<rect class="s\d"[^>]* width="([0-9.]+)"', drawn)]
    assert "A plot &amp; more" in drawn
    assert len(bars) == 8
    assert bars[0] == pytest.approx(2 * bars[1], abs=0.2)
    assert bars[4] == pytest.approx(4 * bars[5], abs=0.2)
