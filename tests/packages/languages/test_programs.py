"""What programs say they were built from."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from chalicelib.packages.languages.binaries import BinaryReader
from chalicelib.packages.languages.go_flags import version_from_flags
from chalicelib.packages.purls import purl
from chalicelib.packages.reading import Told
from tests.lacking import lacking

from .made import MadeEntry, elf, go_data, mach, names, pe, rust_section, symbols, told

_MODULES = (
    "path\texample.com/app\n"
    "mod\texample.com/app\t(devel)\t\n"
    "dep\tgithub.com/spf13/pflag\tv1.0.5\th1:x=\n"
    "dep\tgithub.com/old/one\tv1.0.0\n=>\tgithub.com/new/one\tv2.0.0\th1:y=\n"
    "dep\tgithub.com/local/one\tv1.0.0\n=>\t./local\t(devel)\t\n"
)


def _program(data: bytes) -> Told:
    return told(BinaryReader(), "usr/bin/app", data, 0o755)


@pytest.mark.parametrize("own_section", [True, False])
@pytest.mark.parametrize(
    ("wide", "order", "pointer_bytes"),
    [(True, "<", 0), (True, ">", 0), (False, "<", 0), (True, "<", 8), (True, ">", 8), (False, "<", 4), (False, ">", 4)],
)
def test_programs_of_go_name_their_modules(wide: bool, order: str, pointer_bytes: int, own_section: bool) -> None:
    """S3: before and since 1.18, for machines of every kind."""
    data = go_data("go1.16.3", _MODULES, pointer_bytes=pointer_bytes, order=order)
    result = _program(elf({}, data, wide=wide, order=order, own_section=own_section))
    assert names(result) == [
        ("stdlib", "v1.16.3"),
        ("github.com/spf13/pflag", "v1.0.5"),
        ("github.com/new/one", "v2.0.0"),
        ("./local", ""),
        ("example.com/app", ""),
    ]
    assert {(each.type, each.path) for each in result.packages} == {("gobinary", "usr/bin/app")}
    assert purl(result.packages[1], None) == "pkg:golang/github.com/spf13/pflag@v1.0.5"
    assert purl(result.packages[3], None) == ""


def test_programs_for_other_systems_name_their_modules_too() -> None:
    """S3: images hand them out, and scanners count them."""
    data = go_data("go1.21.0", _MODULES)
    made = [mach(data, wide=wide, order=order) for wide in (True, False) for order in "<>"]
    for program in (pe(data), *made):
        assert names(_program(program))[0] == ("stdlib", "v1.21.0")
        assert ("github.com/spf13/pflag", "v1.0.5") in names(_program(program))


def test_build_information_begins_where_it_is_aligned() -> None:
    """Go's own tools have the mark among their texts."""
    data = b"text: \xff Go buildinf:".ljust(48, b" ") + go_data("go1.21.0", "")
    assert names(_program(elf({}, data))) == [("stdlib", "v1.21.0")]


@pytest.mark.parametrize(
    ("go", "version"),
    [("go1.22.3 X:boringcrypto", "v1.22.3"), ("go1.26.0-X:nodwarf5", "v1.26.0"), ("devel go1.19", "vdevel go1.19")],
)
def test_experiments_are_no_part_of_the_standard_librarys_version(go: str, version: str) -> None:
    assert names(_program(elf({}, go_data(go, "")))) == [("stdlib", version)]


@pytest.mark.parametrize(
    ("version", "flags", "found"),
    [
        ("v1.2.3", "-X main.version=2.0.0", "v1.2.3"),
        ("(devel)", "-X main.version=2.0.0", "2.0.0"),
        ("v0.0.0-20240101000000-abcdefabcdef", "-s -w -X=main.Version=v2.0.0", "v2.0.0"),
        ("v0.0.0-20240101000000-abcdefabcdef", "-s -w", "v0.0.0-20240101000000-abcdefabcdef"),
        ("(devel)", "", ""),
    ],
)
def test_the_main_modules_version_is_the_best_that_is_told(version: str, flags: str, found: str) -> None:
    """S3: most programs are built from a checkout, and told their version by the linker."""
    modules = f'mod\texample.com/app\t{version}\t\nbuild\t-ldflags="{flags}"\n'
    assert names(_program(elf({}, go_data("go1.22.0", modules))))[-1] == ("example.com/app", found)


@pytest.mark.parametrize(
    ("flags", "version"),
    [
        ("-X main.version=1.2.3", "1.2.3"),
        ("-X 'main.version=1.2.3' -X \"main.commit=abc\"", "1.2.3"),
        ("-X='main.version=1.2.3'", "1.2.3"),
        ("-extldflags '-static' -X main.ver=1.2.3", "1.2.3"),
        ("-linkmode internal -X main.version=1.2.3", "1.2.3"),
        ("-X a/b.version=1.0.0 -X example.com/app/cmd/x.version=2.0.0", "2.0.0"),
        ("-X a/b.version=1.0.0 -X a/version.version=2.0.0", "2.0.0"),
        ("-X a/b.version=1.0.0", "1.0.0"),
        ("-X main.version=1.0.0 -X cmd.version=2.0.0", ""),
        ("-X main.version=today", ""),
        ("-X main.version", ""),
        ("-X main.version=1.0.0 $(date)'", ""),
        ("-X main.a=b=c -X main.version=1.2.3", "1.2.3"),
        ("-X main.version=01.2.3", ""),
        ("--quiet yes -X main.version=1.2.3", "1.2.3"),
        ("-buildX main.version=1.2.3", "1.2.3"),
        ("-X", ""),
    ],
)
def test_versions_told_to_the_linker_are_read_as_scanners_read_them(flags: str, version: str) -> None:
    assert version_from_flags("example.com/app", flags) == version


@pytest.mark.parametrize(("wide", "order"), [(True, "<"), (True, ">"), (False, "<"), (False, ">")])
def test_versions_are_found_in_symbols_where_paths_were_trimmed(wide: bool, order: str) -> None:
    """S3: Go then leaves the linker's flags out of the build information."""
    told_by = symbols({"main.date.str": "today", "main.version.str": "v2.3.5"}, wide=wide, order=order)
    data = go_data("go1.22.0", "mod\texample.com/app\t(devel)\t\n")
    assert names(_program(elf(told_by, data, wide=wide, order=order)))[-1] == ("example.com/app", "v2.3.5")
    assert names(_program(elf(symbols({"main.version.str": "today"}), data)))[-1] == ("example.com/app", "")
    two = symbols({"main.version.str": "v1.0.0", "cmd.version.str": "v2.0.0"})
    assert names(_program(elf(two, data)))[-1] == ("example.com/app", "")


def test_programs_of_rust_name_their_crates_but_for_those_that_only_built_them() -> None:
    """S3."""
    listed = json.dumps(
        {
            "packages": [
                {"name": "app", "version": "0.1.0", "source": "local", "root": True},
                {"name": "serde", "version": "1.0.1", "kind": "runtime"},
                {"name": "cc", "version": "1.0.2", "kind": "build"},
            ]
        }
    )
    result = _program(elf(rust_section(listed)))
    assert names(result) == [("app", "0.1.0"), ("serde", "1.0.1")]
    assert purl(result.packages[1], None) == "pkg:cargo/serde@1.0.1"


def test_other_programs_say_nothing() -> None:
    assert _program(elf({".text": b"x" * 100}, b"data" * 1000)) == Told(packages=[])
    object_file = bytearray(elf({}, go_data("go1.21.0", "")))
    object_file[16] = 1
    assert _program(bytes(object_file)) == Told()
    for data in (b"#!/bin/sh\n" + b" " * 100, b"\x7fEL" + b" " * 100, b""):
        assert not BinaryReader().wants(MadeEntry("usr/bin/x", data, 0o755))


def test_broken_lists_are_problems() -> None:
    """S2: the reason is visible."""
    assert "corrupt" in _program(elf({".dep-v0": b"no zlib"})).problem
    assert "no JSON" in _program(elf(rust_section("{"))).problem
    assert "columns" in _program(elf({}, go_data("go1.22.0", "dep\tx\n"))).problem


def test_build_information_that_was_cut_off_names_nothing() -> None:
    """What a program says it has is longer than what is there."""
    assert names(_program(elf({}, go_data("go1.22.0", _MODULES)[:60]))) == []


@pytest.mark.clients
def test_real_programs_name_what_go_says_of_them() -> None:
    """S3: against `go version -m`."""
    tools = Path.home() / ".cache" / "crs-tools" / "bin"
    go = shutil.which("go")
    programs = [path for name in ("crane", "helm", "oras", "zot") if (path := tools / name).is_file()]
    if not go or not programs:
        lacking("go and programs of it are missing: .ci/install-clients brings them")
    for path in programs:
        lines = subprocess.run([go, "version", "-m", path], capture_output=True, text=True, check=True).stdout.split(
            "\n"
        )
        modules: list[tuple[str, str]] = []
        for line in lines:
            columns = line.strip().split("\t")
            if columns[0] == "dep":
                modules.append((columns[1], columns[2]))
            elif columns[0] == "=>":
                modules[-1] = (columns[1], columns[2])
        with path.open("rb") as content:
            result = BinaryReader().read(path.name, content, MadeEntry(path.name, b""))
        found = names(result)
        assert found[1:-1] == modules
        assert found[0] == ("stdlib", "v" + lines[0].rpartition(": go")[2].partition(" ")[0].partition("-X:")[0])
