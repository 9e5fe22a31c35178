"""Archives of strangers."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.layers.entries import MIB
from chalicelib.packages.languages.zips import Archive, Budget
from chalicelib.packages.reading import Unreadable

from .made import archive


def _texts(data: bytes) -> dict[str, bytes]:
    opened = Archive(io.BytesIO(data))
    return {member.name: opened.text(member) for member in opened.members()}


@given(
    st.dictionaries(st.text(min_size=1, max_size=20).filter(lambda name: "\0" not in name), st.binary(max_size=2000))
)
@settings(max_examples=40)
def test_what_was_packed_is_read_again(files: dict[str, bytes]) -> None:
    printable = {name.encode("utf-8", "replace").decode(): data for name, data in files.items()}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert _texts(archive(printable, method)) == {
            zipfile.ZipInfo(name).filename: data for name, data in printable.items()
        }


def test_programs_that_are_archives_are_opened_behind_their_script() -> None:
    """Spring Boot's executable jars begin with a shell script."""
    assert _texts(b"#!/bin/sh\nexec java -jar $0\n" + archive({"a": "b"})) == {"a": b"b"}


def test_what_stands_between_directory_and_end_is_passed_over() -> None:
    """Signatures of some tools do."""
    data = archive({"a": "b"})
    end = data.rindex(b"PK\x05\x06")
    assert _texts(data[:end] + b"signature" + data[end:])["a"] == b"b"


def test_archives_with_64_bits_are_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made, made.open("a", "w", force_zip64=True) as member:
        member.write(b"b")
    data = buffer.getvalue()
    end = data.rindex(b"PK\x05\x06")
    directory = data.index(b"PK\x01\x02")
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, end - directory, directory)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    ending = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert _texts(data[:end] + record + locator + ending) == {"a": b"b"}


def test_directories_longer_than_one_read_are_read_through() -> None:
    files = {f"com/example/{number}/{'x' * 200}.class": b"" for number in range(4000)}
    assert sum(1 for _ in Archive(io.BytesIO(archive(files))).members()) == 4000


def _encrypted(data: bytes) -> bytes:
    at = data.index(b"PK\x01\x02")
    return data[: at + 8] + b"\x01" + data[at + 9 :]


def _of_another_method(data: bytes) -> bytes:
    at = data.index(b"PK\x01\x02")
    return data[: at + 10] + b"\x0c" + data[at + 11 :]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_encrypted, "encrypted"),
        (_of_another_method, "method 12"),
        (lambda data: b"", "truncated|no zip"),
        (lambda data: data[:-10], "no zip"),
        (lambda data: data[20:], "not where"),
        (lambda data: data.replace(b"PK\x01\x02", b"PK\x01\x03"), "corrupt"),
        (lambda data: data.replace(b"PK\x03\x04", b"PK\x03\x05"), "not where"),
    ],
)
def test_damage_is_told_apart(damage: Callable[[bytes], bytes], reason: str) -> None:
    """S2: the reason is visible."""
    with pytest.raises(Unreadable, match=reason):
        _texts(damage(archive({"a": b"x" * 1000})))


def test_bombs_stop_where_the_budget_ends() -> None:
    """S2: what is unpacked is counted as it comes, whatever the directory says."""
    bomb = archive({"a.jar": b"\0" * (16 * MIB)})
    budget = Budget(unpacked_bytes=MIB)
    opened = Archive(io.BytesIO(bomb), budget)
    with pytest.raises(Unreadable, match="unpacks to too much"):
        opened.open(next(opened.members()))


def test_members_that_lie_about_their_size_are_not_unpacked_further() -> None:
    data = archive({"a.jar": b"\0" * 100_000})
    at = data.index(b"PK\x01\x02") + 24
    opened = Archive(io.BytesIO(data[:at] + struct.pack("<I", 10) + data[at + 4 :]), Budget(unpacked_bytes=MIB))
    member = next(opened.members())
    with pytest.raises(Unreadable, match="larger than it says"):
        opened.open(member)


def test_members_are_counted() -> None:
    opened = Archive(io.BytesIO(archive({str(number): b"" for number in range(11)})), Budget(MIB, members=10))
    with pytest.raises(Unreadable, match="too many members"):
        list(opened.members())
