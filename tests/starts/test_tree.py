"""Layers laid over each other are the tree that a container sees, and paths lead through it as Linux follows them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.starts.tree import TooMuch, Tree
from tests.starts import made


def tree(*layers: Mapping[str, made.What]) -> Tree:
    return Tree([made.layer(files) for files in layers])


def passed(of: Tree, path: str) -> list[tuple[int, str]]:
    found = of.way(path)
    assert found is not None, path
    return list(found.passed)


def layer_of(of: Tree, path: str) -> int | None:
    way = of.way(path)
    return way.passed[-1][0] if way else None


def test_the_highest_layer_that_has_a_file_gives_it() -> None:
    both = tree({"etc/conf": b"old", "etc/other": b""}, {"etc/conf": b"new"})
    assert (layer_of(both, "/etc/conf"), layer_of(both, "/etc/other")) == (1, 0)


def test_whiteouts_take_files_and_folders_of_lower_layers_only() -> None:
    image = tree(
        {"a/one": b"", "a/two": b"", "b/c/deep": b"", "kept": b""},
        {"a/.wh.one": b"", ".wh.b": b"", "b/c/new": b"", ".wh.kept": b"", "kept": b""},
        {"b/d": b""},
    )
    assert [layer_of(image, path) for path in ("/a/one", "/a/two", "/b/c/deep", "/b/c/new", "/kept", "/b/d")] == [
        None, 0, None, 1, 1, 2
    ]  # fmt: skip


def test_an_opaque_folder_hides_what_lower_layers_had_in_it() -> None:
    image = tree({"a/one": b"", "a/b/two": b"", "c": b""}, {"a": None, "a/three": b"", "a/.wh..wh..opq": b""})
    assert [layer_of(image, path) for path in ("/a/one", "/a/b/two", "/a/three", "/c")] == [None, None, 1, 0]


def test_an_opaque_root_hides_everything_below() -> None:
    image = tree({"a": b"", "b/c": b""}, {".wh..wh..opq": b"", "d": b""})
    assert [layer_of(image, path) for path in ("/a", "/b/c", "/d")] == [None, None, 1]


def test_a_whiteout_of_nothing_hides_nothing() -> None:
    image = tree({"a": b""}, {".wh.": b"", "a2/.wh.": b""})
    assert layer_of(image, "/a") == 0


def test_a_folder_replaced_by_a_symlink_is_gone_with_all_in_it() -> None:
    image = tree({"lib/old": b"", "usr/lib/new": b""}, {"lib": "usr/lib"})
    assert layer_of(image, "/lib/old") is None
    assert passed(image, "/lib/new") == [(1, "lib"), (0, "usr/lib/new")]


def test_a_folder_replaced_by_a_file_and_again_by_a_folder_begins_anew() -> None:
    image = tree({"a": None, "a/old": b""}, {"a": b""}, {"a": None, "a/new": b""})
    assert [layer_of(image, path) for path in ("/a/old", "/a/new", "/a")] == [None, 2, None]


def test_symlinks_are_followed_from_where_they_are() -> None:
    """A3: each on the way is named, for the kernel reads them too."""
    image = tree(
        {
            "bin": "usr/bin",
            "usr/bin/python": "python3",
            "usr/bin/python3": "/opt/./py//bin/../bin/python3.11",
            "opt/py/bin/python3.11": b"",
        }
    )
    assert passed(image, "/bin/python") == [
        (0, "bin"),
        (0, "usr/bin/python"),
        (0, "usr/bin/python3"),
        (0, "opt/py/bin/python3.11"),
    ]


@pytest.mark.parametrize("target", ["../../../etc/passwd", "/../etc/passwd", "/etc/passwd"])
def test_nothing_leads_out_of_the_root(target: str) -> None:
    """As for a container, whose root has nothing above it."""
    image = tree({"link": target, "etc/passwd": b""})
    assert passed(image, "/link") == [(0, "link"), (0, "etc/passwd")]


def test_ways_without_an_end_end() -> None:
    image = tree(
        {"self": "self", "a": "b", "b": "a", "dead": "missing", "folder": None, "grows": "grows/grows", "fifo": ""}
    )
    paths = ("/self", "/a", "/dead", "/folder", "/grows", "/", "", "/missing", "/" + "x/" * 50_000, "/fifo")
    assert [image.way(path) for path in paths] == [None] * len(paths)


def test_as_many_symlinks_as_linux_follows_are_followed() -> None:
    chain: dict[str, made.What] = {f"l{number}": f"l{number + 1}" for number in range(41)}
    image = tree({**chain, "l41": b""})
    assert image.way("/l0") is None
    assert layer_of(image, "/l1") == 0


def test_relative_paths_begin_where_they_are_said_to() -> None:
    image = tree({"srv": "opt/app", "opt/app/main.py": b"", "opt/lib.py": b""})
    assert [layer_of_relative(image, path) for path in ("main.py", "./main.py", "../lib.py", "/srv/main.py")] == [0] * 4


def layer_of_relative(of: Tree, path: str) -> int | None:
    way = of.way(path, "/srv")
    return way.passed[-1][0] if way else None


def test_a_hard_link_brings_what_it_links_to_before_it() -> None:
    """The format wants a target before its hard link, and has the content there."""
    image = tree({"data": made.program("libc.so.6"), "tool": made.Hard("data"), "again": made.Hard("tool")})
    assert passed(image, "/again") == [(0, "data"), (0, "again")]
    way = image.way("/tool")
    assert way and way.file.elf


def test_a_hard_link_keeps_its_content_where_its_target_was_deleted_above() -> None:
    image = tree({"data": b"x", "tool": made.Hard("data")}, {".wh.data": b""})
    assert layer_of(image, "/data") is None
    assert passed(image, "/tool") == [(0, "data"), (0, "tool")]


def test_a_hard_link_to_nothing_is_nothing() -> None:
    image = tree({"tool": made.Hard("missing")})
    assert image.way("/tool") is None


NAMES = st.sampled_from("abc")
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["file", "folder", "delete", "empty"]), PATHS), min_size=1, max_size=6
)  # fmt: skip


def written(changes: list[tuple[str, str]]) -> dict[str, made.What]:
    """A layer with the folders of all that it has, in which nothing lies below a file."""
    files: dict[str, made.What] = {}
    for what, path in changes:
        folder, _, name = path.rpartition("/")
        parents = [path[:at] for at, sign in enumerate(path) if sign == "/"]
        if any(files.get(parent) is not None for parent in parents):
            continue
        if what == "delete":
            files |= dict.fromkeys(parents) | {f"{folder}/.wh.{name}".lstrip("/"): b""}
        elif what == "empty" and files.get(path) is None:
            files |= dict.fromkeys([*parents, path]) | {f"{path}/.wh..wh..opq": b""}
        elif what == "folder" and files.get(path) is None:
            files |= dict.fromkeys([*parents, path])
        elif what == "file" and path not in files:
            files |= dict.fromkeys(parents) | {path: b"x"}
    return files


def unpacked(layers: list[dict[str, made.What]]) -> dict[str, int]:
    """Files as they stand after each layer was unpacked over those below it, with the layer that gave them."""
    standing: dict[str, tuple[int, bool]] = {}

    def remove(path: str, *, itself: bool) -> None:
        for each in list(standing):
            if each.startswith(path + "/") or (itself and each == path):
                del standing[each]

    for number, files in enumerate(layers):
        for path in files:
            folder, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                remove(folder, itself=False)
            elif name.startswith(".wh."):
                remove(f"{folder}/{name[4:]}".lstrip("/"), itself=True)
        for path, what in files.items():
            if ".wh." not in path:
                is_file = what is not None
                if is_file or standing.get(path, (0, False))[1]:
                    remove(path, itself=True)
                standing[path] = (number, is_file)
    return {path: number for path, (number, is_file) in standing.items() if is_file}


@settings(max_examples=120, deadline=None)
@given(st.lists(CHANGES.map(written), min_size=1, max_size=4))
def test_the_tree_is_the_one_that_unpacking_layer_by_layer_leaves(layers: list[dict[str, made.What]]) -> None:
    merged = tree(*layers)
    every = {path for files in layers for path in files if ".wh." not in path}
    found = {path: layer_of(merged, "/" + path) for path in every}
    assert {path: layer for path, layer in found.items() if layer is not None} == unpacked(layers)


def test_paths_so_deep_that_their_folders_would_fill_memory_are_too_much() -> None:
    """A2: two kilobytes of a layer, unpacked by nobody, were gigabytes of folders."""
    deep = {f"{number}/" + "a/" * 1900 + "f": b"" for number in range(100)}
    with pytest.raises(TooMuch):
        tree(deep)
    few = tree(dict(list(deep.items())[:10]), {"b/c": b""})
    assert layer_of(few, "/b/c") == 1
