"""One pass over a layer tells its files and what they need, in few bytes and little memory."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from chalicelib.layers.entries import MIB, LayerRefused, Limits
from chalicelib.ports.paths import STARTS_VERSION
from chalicelib.starts.looking import Start, look, read_starts
from tests.layers import archives
from tests.starts import made


def starts(files: dict[str, made.What]) -> dict[str, Start]:
    return {start.path: start for start in read_starts(made.layer(files))}


def test_every_entry_is_told_as_the_layer_has_it() -> None:
    data = made.tar(
        {"usr": None, "usr/bin/tool": b"four", "usr/bin/hard": made.Hard("usr/bin/tool"), "bin": "usr/bin",
         "etc/.wh.motd": b"", "read me": made.Plain(b"text"), "line\nbreak": made.Plain(b"")}
    )  # fmt: skip
    assert list(read_starts(look([data]))) == [
        Start("usr", "folder", 0, True, "", ""),
        Start("usr/bin/tool", "file", 4, True, "", ""),
        Start("usr/bin/hard", "link", 0, True, "usr/bin/tool", ""),
        Start("bin", "symlink", 0, True, "usr/bin", ""),
        Start("etc/.wh.motd", "file", 0, True, "", ""),
        Start("read me", "file", 4, False, "", ""),
        Start("line\nbreak", "file", 0, False, "", ""),
    ]


def test_programs_libraries_and_scripts_are_told_apart() -> None:
    """A3: what starts a container is found in headers, whatever files are called."""
    found = starts(
        {
            "app": made.program("libc.so.6"),
            "libc.so.6": made.Plain(made.library(name="libc.so.6")),
            "run": b"#! /usr/bin/env\tpython3 -u \r\nprint()\n",
            "module.py": made.Plain(b"#!/usr/bin/python3\n"),
            "bell": b"#!/bin/\a\n",
            "half": b"#!/bin/caf\xe9\n",
            "short": b"#!",
        }
    )
    program, library = found["app"].elf, found["libc.so.6"].elf
    assert program and (program.interpreter, program.needed) == (made.LOADER, ("libc.so.6",))
    assert library and (library.name, library.needed) == ("libc.so.6", ())
    assert found["run"].interpreter == "/usr/bin/env python3 -u"
    # Whoever may not run it is not asked what runs it.
    assert [found[name].told for name in ("module.py", "bell", "half", "short")] == ["", "#", "#", "#"]


@pytest.mark.parametrize("packing", archives.PACKINGS)
def test_layers_tell_the_same_however_they_are_compressed(packing: str) -> None:
    data = made.tar({"app": made.program("libc.so.6"), "run": b"#!/app\n"})
    packed = archives.PACKINGS[packing](data)
    assert list(read_starts(look(archives.chunked(packed, 50)))) == list(read_starts(look([data])))


def test_a_program_too_large_to_be_read_is_a_file_like_others() -> None:
    data = made.tar({"large": made.elf("libc.so.6", far=20_000), "small": made.program()})
    large, small = read_starts(look([data], Limits(file_bytes=10_000)))
    assert (large.told, large.size > 20_000) == ("", True)
    assert small.elf is not None


def test_a_layer_that_ends_inside_of_a_program_is_refused() -> None:
    data = made.tar({"large": made.elf("libc.so.6", far=20_000)})
    with pytest.raises(LayerRefused) as refused:
        look([data[:9_000]])
    assert refused.value.reason == "truncated"


def test_a_layer_that_tells_too_much_is_refused() -> None:
    """What it tells is held in memory."""
    data = made.tar({"a" * 90: b"", "b" * 90: b""})
    with pytest.raises(LayerRefused) as refused:
        look([data], most_bytes=150)
    assert refused.value.reason == "too_large"
    assert len(list(read_starts(look([data], most_bytes=200)))) == 2


def test_symlinks_that_no_system_follows_lead_nowhere() -> None:
    (start,) = read_starts(made.layer({"long": "a/" * 3_000}))
    assert (start.kind, start.target) == ("symlink", "")


def test_ten_thousand_files_take_little_memory_and_few_bytes() -> None:
    names = [b"usr/share/doc/package-%d/some/file-%d.html" % (number % 300, number) for number in range(10_000)]
    data = b"".join(archives.header(name) for name in names)
    tracemalloc.start()
    told = look(archives.chunked(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(told) < 100 * 1024
    assert peak < 4 * MIB


def test_what_is_kept_under_a_version_says_so_itself() -> None:
    """Raised in one place alone, the other would go on reading what it does not understand."""
    assert made.layer({}).startswith(b"layer starts %d\n" % STARTS_VERSION)


def test_what_is_no_list_or_not_whole_is_refused() -> None:
    data = made.layer({f"file-{number}": b"" for number in range(50)})
    for length in range(0, len(data), 7):
        with pytest.raises(ValueError, match="list of a layer"):
            list(read_starts(data[:length]))
    with pytest.raises(ValueError, match="list of a layer"):
        list(read_starts(random.Random(5).randbytes(100)))
