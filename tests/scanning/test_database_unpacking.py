"""A packed database is taken apart under bounds, and says nothing about where its files go."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from chalicelib.kernel.errors import Invalid
from chalicelib.scanning.database_unpacking import Bounds, unpack

from .vulndb import make_database, packed


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return make_database(tmp_path / "database")


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def pieces(data: bytes, size: int = 1000) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def tar_of(*members: tarfile.TarInfo) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return gzip.compress(archive.getvalue(), 1)


@pytest.mark.parametrize("size", [1, 511, 513, 1 << 20])
def test_both_files_come_out_as_they_went_in(database: Path, into: Path, size: int) -> None:
    """S2"""
    unpack(pieces(packed(database), size), into)
    assert {path.name for path in into.iterdir()} == {"trivy.db", "metadata.json"}
    for name in ("trivy.db", "metadata.json"):
        assert (into / name).read_bytes() == (database / name).read_bytes()


def test_other_members_are_passed_over_wherever_they_want_to_go(database: Path, into: Path, tmp_path: Path) -> None:
    """DESIGN §7"""
    also = [("../escaped", b"x" * 700), ("/etc/passwd", b"x"), ("folder/trivy.db", b"x" * 512), ("readme", b"")]
    unpack(pieces(packed(database, also)), into)
    assert {path.name for path in into.iterdir()} == {"trivy.db", "metadata.json"}
    assert not (tmp_path / "escaped").exists()


def test_links_and_devices_named_like_the_database_are_none(into: Path) -> None:
    """DESIGN §7"""
    link = tarfile.TarInfo("trivy.db")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device = tarfile.TarInfo("metadata.json")
    device.type = tarfile.CHRTYPE
    with pytest.raises(Invalid, match=r"metadata.json and trivy.db is not in it"):
        unpack([tar_of(link, device)], into)
    assert list(into.iterdir()) == []


def test_a_bomb_is_left_at_the_bound(into: Path) -> None:
    """DESIGN §7: 64 MiB of zeros in 64 KB."""
    bomb = tarfile.TarInfo("padding")
    bomb.size = 64 * 1024 * 1024
    with pytest.raises(Invalid, match="unpacks to more than 1048576 bytes"):
        unpack([tar_of(bomb)], into, Bounds(archive=1024 * 1024))


@pytest.mark.parametrize("name", ["trivy.db", "metadata.json"])
def test_a_file_that_says_it_is_too_large_is_not_begun(into: Path, name: str) -> None:
    large = tarfile.TarInfo(name)
    large.size = 200_000
    with pytest.raises(Invalid, match=f"{name} has 200000 bytes"):
        unpack([tar_of(large)], into, Bounds(database=100_000))
    assert list(into.iterdir()) == []


def test_a_truncated_archive_is_refused_at_every_place(database: Path, into: Path) -> None:
    whole = packed(database)
    for end in (*range(0, 60, 7), len(whole) // 2, len(whole) - 400):
        for path in into.iterdir():
            path.unlink()
        with pytest.raises(Invalid):
            unpack(pieces(whole[:end]), into)


@pytest.mark.parametrize(
    "data",
    [b"", b"no gzip", gzip.compress(b"no tar" * 500), gzip.compress(b"\xff" * 512)],
    ids=["nothing", "no gzip", "no tar", "no header"],
)
def test_what_is_no_packed_database_is_refused(into: Path, data: bytes) -> None:
    with pytest.raises(Invalid):
        unpack([data], into)


def test_a_file_that_comes_twice_counts_once(database: Path, into: Path) -> None:
    """The first one, whatever the second holds."""
    unpack([packed(database, [("trivy.db", b"the first")])], into)
    assert (into / "trivy.db").read_bytes() == b"the first"
