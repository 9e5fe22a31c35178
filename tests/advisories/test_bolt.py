from __future__ import annotations

import random
import struct
import time
from pathlib import Path

import pytest

from chalicelib.advisories import bolt_writer
from chalicelib.advisories.bolt import CHECKSUM, HEADER, META, Bolt, Bucket, DatabaseCorrupt, MappedPages, fnv1a
from chalicelib.advisories.bolt_writer import Tree

PAGE = 4096


def opened(path: Path, tree: Tree) -> Bolt:
    bolt_writer.write(path, tree)
    return Bolt(MappedPages(path))


def read(bucket: Bucket) -> dict[str, object]:
    nested = {key.decode(): read(inner) for key, inner in bucket.buckets()}
    return nested | {key.decode(): value for key, value in bucket.values()}


def numbered(count: int) -> dict[str, bytes]:
    return {f"key {number:06}": f"value {number}".encode() for number in range(count)}


TREE: Tree = {
    "empty": {},
    "small, inside its own key": {"a": b"1", "b": b"", "ü": b"3"},
    "of three levels": numbered(20_000),
    "with values of many pages": {"first": b"x" * 30_000, "second": b"y" * 5_000, "third": b"z"},
    "with buckets": {f"package {number}": numbered(number) for number in range(60)},
}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """S2"""
    assert read(opened(tmp_path / "db", TREE).root) == TREE


def test_every_key_is_found_and_no_other(tmp_path: Path) -> None:
    """S3"""
    root = opened(tmp_path / "db", TREE).root
    many = root.bucket(b"of three levels")
    assert many is not None

    assert all(many.get(key.encode()) == value for key, value in numbered(20_000).items())
    assert many.get(b"key 000001x") is None
    assert many.get(b"a") is many.get(b"z") is None
    assert root.bucket(b"of three level") is None
    assert root.get(b"empty") is None
    assert many.bucket(b"key 000001") is None


def test_buckets_are_listed_from_a_key_on(tmp_path: Path) -> None:
    """S3"""
    root = opened(tmp_path / "db", {f"{letter}::{n}": {} for letter in "abc" for n in range(500)}).root

    assert next(key for key, _ in root.buckets(b"b::")) == b"b::0"
    assert len(list(root.buckets(b"b::"))) == 1000


def test_the_newer_of_two_states_counts_unless_it_is_damaged(tmp_path: Path) -> None:
    """S2: bbolt writes its two first pages in turn."""
    path = tmp_path / "db"
    bolt_writer.write(path, {"now": {}})
    content = bytearray(path.read_bytes())
    # A third page of the same kind of state, to which the newer one points: an empty root.
    content += HEADER.pack(4, 2, 0, 0).ljust(PAGE, b"\0")
    for page, root in ((0, 3), (1, 4)):
        fields = list(META.unpack_from(content, page * PAGE + HEADER.size))
        fields[4] = root
        sealed = META.pack(*fields)
        start = page * PAGE + HEADER.size
        content[start : start + META.size + CHECKSUM.size] = sealed + CHECKSUM.pack(fnv1a(sealed))
    path.write_bytes(content)
    assert list(Bolt(MappedPages(path)).root.buckets()) == []

    content[PAGE + HEADER.size + 20] ^= 1
    path.write_bytes(content)
    assert [key for key, _ in Bolt(MappedPages(path)).root.buckets()] == [b"now"]

    content[HEADER.size + 20] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatabaseCorrupt, match="no vulnerability database"):
        Bolt(MappedPages(path))


def test_a_first_page_that_is_broken_does_not_hide_the_second(tmp_path: Path) -> None:
    """S2"""
    path = tmp_path / "db"
    bolt_writer.write(path, TREE)
    content = path.read_bytes()
    path.write_bytes(bytes(PAGE) + content[PAGE:])

    assert read(Bolt(MappedPages(path)).root) == TREE


@pytest.mark.parametrize("content", [b"", b"x", b"SQLite format 3\0" + bytes(9000), bytes(100_000)])
def test_what_is_no_database_is_refused(content: bytes, tmp_path: Path) -> None:
    """S2"""
    path = tmp_path / "db"
    path.write_bytes(content)

    with pytest.raises(DatabaseCorrupt):
        Bolt(MappedPages(path))


def test_a_database_that_was_cut_off_is_refused_where_the_rest_is_missing(tmp_path: Path) -> None:
    """S2"""
    path = tmp_path / "db"
    bolt_writer.write(path, TREE)
    path.write_bytes(path.read_bytes()[: 10 * PAGE])

    with pytest.raises(DatabaseCorrupt):
        read(Bolt(MappedPages(path)).root)


def test_pages_that_point_at_each_other_end_in_a_refusal_and_not_in_a_circle(tmp_path: Path) -> None:
    """S2"""
    path = tmp_path / "db"
    bolt_writer.write(path, {"many": numbered(20_000)})
    content = bytearray(path.read_bytes())
    pages = range(3, len(content) // PAGE)
    branches = [page for page in pages if HEADER.unpack_from(content, page * PAGE)[1] == 1]
    for page in branches:
        count = HEADER.unpack_from(content, page * PAGE)[2]
        for index in range(count):
            struct.pack_into("<Q", content, page * PAGE + HEADER.size + 16 * index + 8, branches[-1])
    path.write_bytes(content)
    many = Bolt(MappedPages(path)).root.bucket(b"many")
    assert many is not None

    with pytest.raises(DatabaseCorrupt, match="point at each other"):
        list(many.values())
    with pytest.raises(DatabaseCorrupt, match="point at each other"):
        many.get(b"key 000500")


def test_a_page_that_is_another_one_is_refused(tmp_path: Path) -> None:
    """S2: an old one at its place would be read as if it were the right one."""
    path = tmp_path / "db"
    bolt_writer.write(path, {"many": numbered(20_000)})
    content = bytearray(path.read_bytes())
    content[3 * PAGE : 4 * PAGE] = content[4 * PAGE : 5 * PAGE]
    path.write_bytes(content)
    many = Bolt(MappedPages(path)).root.bucket(b"many")
    assert many is not None

    with pytest.raises(DatabaseCorrupt, match="page 3 "):
        many.get(b"key 000001")


def test_damage_anywhere_is_a_refusal_or_makes_no_difference(tmp_path: Path) -> None:
    """S2: whatever bits turn, reading ends soon, and with nothing but a clear error."""
    path = tmp_path / "db"
    bolt_writer.write(path, {name: tree for name, tree in TREE.items() if name != "of three levels"})
    whole = path.read_bytes()
    chance = random.Random(6)
    refused = 0
    began = time.monotonic()
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 5, 50))):
            page = chance.randrange(3, len(content) // PAGE) * PAGE
            content[page + chance.choice((chance.randrange(64), chance.randrange(PAGE)))] = chance.randrange(256)
        path.write_bytes(content)
        try:
            _walk(Bolt(MappedPages(path)).root)
        except DatabaseCorrupt:
            refused += 1

    assert refused > 50
    assert time.monotonic() - began < 20


def _walk(bucket: Bucket) -> None:
    for key, _ in bucket.values():
        bucket.get(key)
    for _, inner in bucket.buckets():
        _walk(inner)
