"""S3: damaged and hostile files of every format: a problem at most, never an exception, in time their size bounds."""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Callable, Mapping
from io import BytesIO
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.packages.reading import Told, Unreadable
from chalicelib.packages.systems.rpm import Rpm
from chalicelib.packages.systems.rpm_headers import parse_header
from tests.packages import rpm_writing as rpm
from tests.packages.layers import image_of, inspected
from tests.packages.rebuild import tar
from tests.packages.test_apk import INSTALLED
from tests.packages.test_dpkg import STATUS
from tests.packages.test_rpm import BASH, FORMATS, KEY, LONG, NODE

HEADERS = [rpm.header(each) for each in (BASH, NODE, KEY, LONG)]
DATABASES: Mapping[str, bytes] = {name: write(HEADERS) for name, write in FORMATS.items()}
TEXTS: Mapping[str, str] = {
    "var/lib/dpkg/status": STATUS,
    "lib/apk/db/installed": INSTALLED,
    "etc/os-release": "ID=rhel\nVERSION_ID=8\n",
    "etc/apk/repositories": "http://a.org/alpine/v3.10/main\n",
    "etc/redhat-release": "CentOS release 6.10 (Final)\n",
    "var/lib/rpmmanifest/container-manifest-2": "a\t1-2\t1\t1\tM\t(none)\t5\tnoarch\t1\ta-1-2.src.rpm\n",
    "root/buildinfo/content_manifests/a.json": '{"content_sets": ["a"]}',
    "root/buildinfo/Dockerfile-a-1-2": 'LABEL com.redhat.component="a" architecture="b"\n',
    "var/lib/ubuntu-advantage/status.json": '{"services": [{"name": "esm-infra", "status": "enabled"}]}',
    "usr/share/doc/a/copyright": "License: MIT\n",
}


def told(data: bytes) -> tuple[Told, list[str]]:
    """As the inspector takes it: whatever is wrong is a problem, or Unreadable."""
    try:
        found = Rpm().read("var/lib/rpm/Packages", BytesIO(data), None)  # type: ignore[arg-type]
        return found, list(found.owns)
    except Unreadable as error:
        return Told(problem=str(error)), []


@pytest.mark.parametrize("name", DATABASES)
def test_a_database_cut_off_anywhere_is_a_problem_and_never_an_exception(name: str) -> None:
    """S3: what came before the cut counts. Nothing may look whole that is not."""
    data = DATABASES[name]
    complete = {each.name for each in told(data)[0].packages}
    lengths = [*range(0, 600, 7), *range(600, len(data) - 1, 997)]
    for length in lengths:
        found, _ = told(data[:length])
        assert found.problem, f"cut off at {length}"
        assert {each.name for each in found.packages} <= complete


@pytest.mark.parametrize("name", DATABASES)
def test_flipped_bits_are_problems_and_never_exceptions(name: str) -> None:
    data = DATABASES[name]
    chance = random.Random(name)
    begin = perf_counter()
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(data) if chance.random() < 0.3 else 2000)] ^= 1 << chance.randrange(8)
        told(bytes(damaged))
    assert perf_counter() - begin < 20


@settings(max_examples=300)
@given(st.binary(max_size=400), st.integers(0, 60), st.integers(0, 600))
def test_any_header_is_read_or_refused(data: bytes, entries: int, length: int) -> None:
    """S3: counts and offsets of any size."""
    for blob in (data, struct.pack(">II", entries, length) + data):
        try:
            header = parse_header(blob)
        except Unreadable:
            continue
        assert len(list(header.files())) <= len(blob)


def test_counts_beyond_all_measure_cost_nothing() -> None:
    """S3: a header of a few bytes that says it has billions of files, and one tag sixty thousand times."""
    for tag, kind in ((1116, 4), (1117, 8), (1118, 8)):
        entries = struct.pack(">IIIIIIII", 1000, 6, 0, 1, tag, kind, 0, 0xFFFFFFFF)
        with pytest.raises(Unreadable):
            parse_header(struct.pack(">II", 2, 4) + entries + b"a\0\0\0")
    again = struct.pack(">IIII", 1117, 8, 0, 1_000_000) * 60_000 + struct.pack(">IIII", 1000, 6, 0, 1)
    blob = struct.pack(">II", 60_001, 1_000_000) + again + b"a\0" * 500_000
    tracemalloc.start()
    begin = perf_counter()
    parse_header(blob)
    assert perf_counter() - begin < 3
    assert tracemalloc.get_traced_memory()[1] < 80_000_000
    tracemalloc.stop()


def looping_bdb() -> bytes:
    """A chain of overflow pages that comes back to its own beginning."""
    data = bytearray(rpm.bdb([HEADERS[3]]))
    struct.pack_into("<I", data, 3 * rpm.PAGE + 16, 2)
    return bytes(data)


def shared_bdb() -> bytes:
    """Many values that all point at one long chain."""
    data = bytearray(rpm.bdb([*HEADERS[:1] * 90, HEADERS[3]]))
    (page,) = struct.unpack_from("<I", data, rpm.PAGE + struct.unpack_from("<H", data, rpm.PAGE + 26 + 2 * 181)[0] + 4)
    for value in range(1, 180, 2):
        (offset,) = struct.unpack_from("<H", data, rpm.PAGE + 26 + 2 * value)
        struct.pack_into("<I", data, rpm.PAGE + offset + 4, page)
    return bytes(data)


def looping_sqlite() -> bytes:
    """An inner page that is its own child."""
    data = bytearray(rpm.sqlite([HEADERS[0]] * 600))
    for page in range(rpm.PAGE, len(data), rpm.PAGE):
        if data[page] == 5:
            struct.pack_into(">I", data, page + 8, page // rpm.PAGE + 1)
    return bytes(data)


def shared_ndb() -> bytes:
    """Every slot of the file points at the one large package."""
    data = bytearray(rpm.ndb([HEADERS[3], *[HEADERS[0]] * 200]))
    for slot in range(3, 200):
        data[slot * 16 : slot * 16 + 16] = data[32:48]
    return bytes(data)


@pytest.mark.parametrize("make", [looping_bdb, shared_bdb, looping_sqlite, shared_ndb])
def test_files_that_point_at_themselves_end(make: Callable[[], bytes]) -> None:
    """S3: each page is looked at once, so that time and memory are bounded by the size of the file."""
    data = make()
    begin = perf_counter()
    found, _ = told(data)
    assert perf_counter() - begin < 3
    assert found.problem
    assert len(found.packages) < 700


@pytest.mark.parametrize("path", TEXTS)
def test_damaged_text_files_never_end_a_scan(path: str) -> None:
    """S3: cut off, with bytes that are no text, of zeros, deep, and of nothing at all."""
    text = TEXTS[path].encode()
    chance = random.Random(path)
    for _ in range(25):
        damaged = bytearray(text)
        for _ in range(chance.randint(1, 5)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        image_of({path: bytes(damaged[: chance.randrange(len(damaged) + 1)])})
    for content in (b"", b"\0" * 5000, b"[" * 100_000, b"\xff\xfe" * 3000, b"\n" * 50_000, text * 3):
        image_of({path: content})


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("lib/apk/db/installed", "P:a\nV:1-r0\nL:GPL{}x\n"),
        ("srv/a-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: a\nVersion: 1\nLicense: GPL{}x\n"),
        (
            "srv/specifications/a-1.gemspec",
            'Gem::Specification.new do |s|\n s.name = "a"\n s.license = "GPL{}x"\nend\n',
        ),
        ("usr/share/doc/a/copyright", "License: GPL{}x\n"),
        ("root/buildinfo/Dockerfile-a-1", "FROM a\nENV a={}x\n"),
        ("root/buildinfo/Dockerfile-a-2", "FROM a\nENV a{}x\n"),
    ],
)
@pytest.mark.parametrize("run", [" ", "_", "x later or ", "\\\n"])
def test_no_text_takes_the_square_of_its_length_in_time(path: str, text: str, run: str) -> None:
    """S2: whoever reads it would be kept for hours by one file, and no limit of a layer ends that."""
    before = perf_counter()
    inspected(tar({path: text.format(run * (200_000 // len(run)))}))
    assert perf_counter() - before < 5
