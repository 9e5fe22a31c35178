"""What a container needs first is found from its config, or shared out by layers as its users listed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.starts.elf import Elf
from chalicelib.starts.libraries import own_folders
from chalicelib.starts.resolution import Bounds, first_files, listed_files
from tests.starts import made
from tests.starts.made import LOADER, config, layer, library, program

LIBC: Mapping[str, made.What] = {
    LOADER[1:]: library(),
    "lib/x86_64-linux-gnu/libc.so.6": library(name="libc.so.6"),
}
STARTS = (LOADER[1:], "lib/x86_64-linux-gnu/libc.so.6")


def found(given: Mapping[str, Any], files: Mapping[str, made.What]) -> list[str]:
    """Of an image of one layer."""
    ((*paths,),) = first_files(given, [layer({**LIBC, **files})])
    return paths


def test_a_program_brings_its_loader_and_libraries_in_the_order_they_are_loaded() -> None:
    """A3: breadth first, as ld.so does it."""
    files: dict[str, made.What] = {
        "usr/bin/app": program("libone.so.1", "libtwo.so.2", "libc.so.6"),
        "usr/lib/libone.so.1": "libone.so.1.5",
        "usr/lib/libone.so.1.5": library("libdeep.so", name="libone.so.1"),
        "usr/lib/libtwo.so.2": library("libone.so.1", "libdeep.so", "libother.so"),
        "usr/lib/libother.so": library(),
        "usr/lib/libdeep.so": library("libtwo.so.2"),
        "usr/lib/libunneeded.so": library(),
        "etc/ld.so.cache": b"cache",
        "etc/passwd": b"root",
        "etc/group": b"root",
    }
    assert found(config("/usr/bin/app"), files) == [
        "etc/passwd",
        "etc/group",
        "usr/bin/app",
        LOADER[1:],
        "etc/ld.so.cache",
        "usr/lib/libone.so.1",
        "usr/lib/libone.so.1.5",
        "usr/lib/libtwo.so.2",
        "lib/x86_64-linux-gnu/libc.so.6",
        "usr/lib/libdeep.so",
        "usr/lib/libother.so",
    ]


def test_files_of_each_layer_stand_under_their_layer() -> None:
    lowest = layer({**LIBC, "etc/passwd": b"old", "usr/bin/python3": "python3.11"})
    middle = layer({"usr/bin/python3.11": program("libc.so.6"), "app/run.py": b"#!/usr/bin/env python3\n"})
    nothing, highest = b"", layer({"etc/passwd": b"new", "usr/bin/env": program("libc.so.6")})
    assert first_files(config("/app/run.py"), [lowest, middle, nothing, highest]) == [
        (*STARTS, "usr/bin/python3"),
        ("app/run.py", "usr/bin/python3.11"),
        (),
        ("etc/passwd", "usr/bin/env"),
    ]


def test_systems_with_merged_folders_have_the_symlinks_that_lead_into_them() -> None:
    files: dict[str, made.What] = {
        "bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64",
        "usr/bin/sh": "dash", "usr/bin/dash": program("libc.so.6"),
        "usr/lib64/ld-linux-x86-64.so.2": "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": library(),
        "usr/lib/x86_64-linux-gnu/libc.so.6": library(),
    }  # fmt: skip
    assert first_files(config("/bin/sh"), [layer(files)]) == [
        (
            "bin", "usr/bin/sh", "usr/bin/dash",
            "lib64", "usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "lib", "usr/lib/x86_64-linux-gnu/libc.so.6",
        )
    ]  # fmt: skip


NODE: Mapping[str, made.What] = {
    "usr/local/bin/node": program("libc.so.6"),
    "usr/local/bin/docker-entrypoint.sh": b"#!/bin/sh\n",
    "bin/sh": program("libc.so.6"),
    "srv/server.js": made.Plain(b""),
    "srv/conf/app.yml": made.Plain(b""),
    "srv/unneeded.js": made.Plain(b""),
}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (config("node", "server.js", folder="/srv"), ["usr/local/bin/node", "srv/server.js"]),
        (config("node", cmd=["--require=./conf/app.yml", "/srv/server.js"], folder="srv/"), ["srv/conf/app.yml"]),
        (
            config("docker-entrypoint.sh", "node"),
            ["usr/local/bin/docker-entrypoint.sh", "bin/sh", "usr/local/bin/node"],
        ),
        (config("/bin/sh", "-c", "cd /srv && exec node 'server.js'", folder="/srv"), ["bin/sh", "srv/server.js"]),
        (config("sh", "-ec", "A=1 node; b"), ["bin/sh", "usr/local/bin/node"]),
        (config("sh", "-c", "exec node 'no end"), ["bin/sh", "usr/local/bin/node"]),
        ({"config": {"Cmd": "exec node x"}}, ["bin/sh", "usr/local/bin/node"]),
        (config("conf/../server.js", folder="/srv"), ["srv/server.js"]),
        (config("found", env=["PATH=/nowhere:/srv/bin"]), ["srv/bin/found"]),
    ],
)
def test_what_is_started_is_read_from_the_command_line(given: Mapping[str, Any], wanted: list[str]) -> None:
    """A3: entrypoint and command, in a shell or without."""
    files = found(given, {**NODE, "srv/bin/found": program()})
    assert set(wanted) <= set(files)
    assert "srv/unneeded.js" not in files


def test_a_program_is_the_first_on_the_path_that_may_be_run() -> None:
    files: dict[str, made.What] = {"a/tool": made.Plain(b""), "b/tool": None, "c/tool": program(), "d/tool": program()}
    assert "c/tool" in (paths := found(config("tool", env=["PATH=/a:/b:/c:/d"]), files))
    assert not {"a/tool", "b/tool", "d/tool"} & set(paths)


def test_libraries_are_looked_for_where_programs_say_first() -> None:
    """$ORIGIN is where a file is, not where it was found."""
    folders = "$ORIGIN/../lib:${ORIGIN}/$LIB:/x/$PLATFORM"
    files: dict[str, made.What] = {
        "usr/bin/app": "/opt/app/bin/app",
        "opt/app/bin/app": program("liba.so", "libb.so", "./libc2.so", runpath=folders),
        "opt/app/lib/liba.so": library("libd.so"),
        "usr/lib/liba.so": library(),
        "opt/app/bin/lib/libb.so": library(),
        "srv/libc2.so": library(),
        "opt/app/lib/libd.so": library(),
    }  # fmt: skip
    paths = found(config("app", folder="/srv"), files)
    assert "usr/lib/liba.so" not in paths
    assert {"opt/app/lib/liba.so", "opt/app/bin/lib/libb.so", "srv/libc2.so", "opt/app/lib/libd.so"} <= set(paths)


def test_folders_longer_than_any_path_are_not_filled_in() -> None:
    """A2: a few kilobytes of a program would become gigabytes of folders."""
    longest = "/" + "a" * 200
    assert own_folders(Elf(made.X86_64, True, folders=("$ORIGIN" * 20,)), (longest,)) == (longest * 20,)
    assert own_folders(Elf(made.X86_64, True, folders=("$ORIGIN" * 21, "/x")), (longest,)) == ("/x",)


def test_libraries_are_looked_for_where_the_environment_says() -> None:
    paths = found(
        config("/app", env=["LD_LIBRARY_PATH=/nowhere:/opt/cuda"]),
        {"app": program("libcuda.so"), "opt/cuda/libcuda.so": library(), "usr/lib/libcuda.so": library()},
    )
    assert "opt/cuda/libcuda.so" in paths
    assert "usr/lib/libcuda.so" not in paths


def test_libraries_of_another_processor_are_passed_over() -> None:
    files = {
        "app": program("libz.so"),
        "usr/local/lib/libz.so": library(machine=made.ARM64),
        "usr/lib/libz.so": library(),
    }
    assert "usr/lib/libz.so" in (paths := found(config("/app"), files))
    assert "usr/local/lib/libz.so" not in paths


def test_libraries_without_a_name_of_their_own_are_all_loaded() -> None:
    files = {"app": program("liba.so", "libb.so"), "usr/lib/liba.so": library("libc2.so"), "usr/lib/libb.so": library(),
             "usr/lib/libc2.so": library()}  # fmt: skip
    assert {"usr/lib/liba.so", "usr/lib/libb.so", "usr/lib/libc2.so"} <= set(found(config("/app"), files))


def test_a_program_on_musl_has_its_loader_and_its_list_of_folders() -> None:
    files: dict[str, made.What] = {
        "bin/busybox": made.elf("libc.musl-x86_64.so.1", interpreter="/lib/ld-musl-x86_64.so.1"),
        "bin/sh": "/bin/busybox",
        "lib/ld-musl-x86_64.so.1": library(name="libc.musl-x86_64.so.1"),
        "lib/libc.musl-x86_64.so.1": "ld-musl-x86_64.so.1",
        "etc/ld-musl-x86_64.path": b"/lib",
    }
    assert set(found(config("sh"), files)) == set(files)


def test_scripts_that_run_each_other_in_a_circle_end() -> None:
    files = {"a": b"#!/b\n", "b": b"#!/a\n", "env": b"#!/env env\n"}
    assert found(config("/a", "/env"), files) == ["a", "b", "env"]


def test_a_long_chain_of_scripts_ends() -> None:
    """Layers are made by strangers: nothing here may nest as deeply as they like."""
    files = {f"{number}/env": b"#!/%d/env sh\n" % (number + 1) for number in range(3_000)}
    assert len(found(config("/0/env"), {**files, "bin/sh": program()})) == 3_000 + len(["bin/sh", LOADER])


def test_what_starts_a_container_is_bounded() -> None:
    """More than that is better loaded as it is read; layers are made by strangers."""
    names = [f"lib{number}.so" for number in range(20)]
    image = [layer({"app": program(*names), **{f"usr/local/lib/{name}": library() for name in names}})]
    size = len(program(*names)) + 4 * len(library())
    assert len(first_files(config("/app"), image, Bounds(files=7))[0]) == 7
    assert len(first_files(config("/app"), image, Bounds(bytes=size))[0]) == 1 + 4
    # The program, its users, its loader and what that reads are looked for before the libraries are.
    assert len(first_files(config("/app"), image, Bounds(ways=5 + 6))[0]) == 1 + 6
    assert first_files(config("/app"), image, Bounds(entries=20)) == [()]
    assert len(first_files(config("/app"), image, Bounds(entries=21))[0]) == 21


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"config": None},
        {"config": []},
        {"config": {"Entrypoint": {}, "Cmd": 5, "Env": "PATH", "WorkingDir": ["/"]}},
        {"config": {"Entrypoint": [None, 7, ["sh"]], "Env": [1, "novalue", "=x"]}},
        config(""),
        config("/missing", "missing"),
        config("c:\\windows\\system32\\cmd.exe"),
        config("/", ".", ".."),
        config("a\0b", "\udc80"),
    ],
)
def test_nonsense_and_what_is_not_there_lead_to_nothing(given: Mapping[str, Any]) -> None:
    image = [layer({**LIBC, "etc/passwd": b""}), b"", layer({})]
    assert first_files(given, image) == [(), (), ()]
    assert first_files(given, []) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["/app", "sh", "-c", "PATH=/"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ANY_IMAGE = [layer({**LIBC, "app": program("libc.so.6"), "bin/sh": program()})]


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(("Entrypoint", "Cmd", "Env", "WorkingDir"), JSON)))
def test_no_config_makes_an_error(runs: dict[str, Any]) -> None:
    (paths,) = first_files({"config": runs}, ANY_IMAGE)
    assert set(paths) <= {"app", "bin/sh", *STARTS}


def shared(files: Sequence[str], *layers: Mapping[str, made.What]) -> list[tuple[str, ...]]:
    return listed_files(files, [layer(each) for each in layers])


def test_listed_files_are_shared_out_by_the_layers_that_give_them() -> None:
    """A user's list names files, and knows of no layers."""
    lowest: Mapping[str, made.What] = {
        "lib": "usr/lib",
        "usr/lib/a": b"",
        "usr/lib/b": b"",
        "etc/conf": b"",
        "gone": b"",
    }
    highest: Mapping[str, made.What] = {"etc/conf": b"", ".wh.gone": b"", "app/main": b"", "app/link": "/lib/b"}
    listed = [
        "app/main",
        "lib/a",
        "etc/conf",
        "gone",
        "app/link",
        "/usr/lib/a",
        "etc",
        "missing",
        "app/../app/main",
        "",
    ]
    assert shared(listed, lowest, highest) == [
        ("lib", "usr/lib/a", "usr/lib/b"),
        ("app/main", "etc/conf", "app/link"),
    ]


def test_with_listed_programs_comes_what_linux_opens_for_them_unseen() -> None:
    """Traces tell of no loader, and of no script's interpreter."""
    files: Mapping[str, made.What] = {
        **LIBC,
        "run": b"#!/bin/wrap -x\n",
        "bin/wrap": b"#!/bin/sh\n",
        "bin/sh": program("libc.so.6"),
        "circle": b"#!/circle\n",
        "read.py": made.Plain(b"#!/bin/unneeded\n"),
        "bin/unneeded": program(),
    }
    assert shared(["run", "read.py", "circle"], files) == [
        ("run", "bin/wrap", "bin/sh", LOADER[1:], "read.py", "circle")
    ]


def test_a_list_of_nothing_shares_out_nothing() -> None:
    assert shared([], {"a": b""}, {}) == [(), ()]
    assert shared(["a"]) == []
