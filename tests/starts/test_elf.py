"""What programs and libraries say of what they need, and that broken ones say nothing and break nothing."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.starts.elf import Elf, read_elf, told
from tests.lacking import lacking
from tests.starts import made


def read(data: bytes, peeked: int = 4096) -> Elf | None:
    return read_elf(data[:peeked], len(data), lambda: io.BytesIO(data))


def unread() -> BinaryIO:
    raise AssertionError("the whole file was read")


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_program_names_its_loader_and_libraries_in_its_order(wide: bool, order: str) -> None:
    """A3: of 32 and 64 bits, in both orders of bytes."""
    data = made.elf("libz.so.1", "libc.so.6", interpreter="/lib/ld.so", runpath="/a:$ORIGIN/b", wide=wide, order=order)
    assert read(data) == Elf(62, wide, "/lib/ld.so", "", ("/a", "$ORIGIN/b"), ("libz.so.1", "libc.so.6"))


def test_a_library_has_a_name_of_its_own() -> None:
    assert read(made.library("libm.so.6", name="libssl.so.3")) == Elf(62, True, "", "libssl.so.3", (), ("libm.so.6",))


def test_newer_folders_count_where_there_are_older_ones_too() -> None:
    """As ld.so does: RPATH is heeded only without RUNPATH."""
    both, older = read(made.elf(rpath="/old", runpath="/new")), read(made.elf(rpath="/old"))
    assert both and both.folders == ("/new",)
    assert older and older.folders == ("/old",)


def test_the_whole_file_is_read_where_its_dynamic_section_lies_far_from_its_start() -> None:
    data = made.elf("libc.so.6", interpreter="/lib/ld.so", far=10_000)
    assert read(data) == Elf(62, True, "/lib/ld.so", "", (), ("libc.so.6",))


def test_of_a_static_program_only_the_start_is_read() -> None:
    data = made.elf(dynamic=False, kind=2) + bytes(100_000)
    assert read_elf(data[:4096], len(data), unread) == Elf(62, True)


@pytest.mark.parametrize("kind", [0, 1, 4])
def test_objects_for_linkers_and_core_dumps_are_neither_read_nor_told(kind: int) -> None:
    data = made.elf("libc.so.6", kind=kind, far=10_000)
    assert read_elf(data[:4096], len(data), unread) is None


@pytest.mark.parametrize("part", [b"line\nbreak", b"a\abell...", b"no\xc3\x28text.."])
def test_names_that_are_no_text_make_it_none(part: bytes) -> None:
    """They would break the rows that are kept of it."""
    data = made.elf("lib0123456789.so")
    assert read(data.replace(b"0123456789", b"abcdefghij")) is not None
    assert read(data.replace(b"0123456789", part.ljust(10))) is None


def test_a_table_that_goes_on_outside_of_the_file_makes_it_none() -> None:
    whole = made.elf("libc.so.6", interpreter=made.LOADER)
    assert [length for length in range(len(whole) - 16) if read(whole[:length]) is not None] == []


def test_more_libraries_than_any_program_needs_make_it_none() -> None:
    assert read(made.elf(*(f"lib{number}.so" for number in range(450)))) is not None
    assert read(made.elf(*(f"lib{number}.so" for number in range(550)))) is None


def test_what_runs_these_tests_names_a_loader_and_libraries_that_exist() -> None:
    program = Path(sys.executable).resolve()
    data = program.read_bytes()
    if not data.startswith(b"\x7fELF"):
        lacking("this machine has no programs in ELF")
    found = read(data)
    assert found is not None
    assert not found.interpreter or Path(found.interpreter).exists()
    assert bool(found.interpreter) == bool(found.needed)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), wide=st.booleans(), order=st.sampled_from("<>"))
def test_flipped_bytes_never_raise_and_what_is_told_can_be_kept(data: st.DataObject, wide: bool, order: str) -> None:
    """A2: layers are made by strangers."""
    whole = bytearray(made.elf("liba.so", "libb.so", interpreter="/ld", runpath="/r", name="n", wide=wide, order=order))
    for at, byte in data.draw(st.lists(st.tuples(st.integers(16, len(whole) - 1), st.integers(0, 255)), max_size=8)):
        whole[at] = byte
    found = read(bytes(whole[: data.draw(st.integers(0, len(whole)))]) if data.draw(st.booleans()) else bytes(whole))
    if found is not None:
        assert "\0" not in found.text()
        assert told(found.text()) == found


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_rubbish_behind_the_first_bytes_never_raises(rubbish: bytes) -> None:
    read(b"\x7fELF" + rubbish)
    read(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0\x3e\0" + rubbish)
