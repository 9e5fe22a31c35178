"""Files that are needed first stand first, and unpacking the layer comes to the same tree."""

from __future__ import annotations

import hashlib
import tarfile

import pytest

from chalicelib.estargz.models import PREFETCH
from tests.estargz.layers import Layer, converted, facts, file, folder, link, tar

SOURCE = tar(
    folder("./"),
    folder("./etc"),
    file("./etc/hosts", b"localhost"),
    folder("./usr"),
    folder("./usr/lib"),
    file("./usr/lib/libc.so", b"\x7fELF libc", pax_headers={"SCHILY.xattr.user.a": "b"}),
    file("./usr/lib/" + "long" * 40, b"long"),
    folder("./usr/bin"),
    file("./usr/bin/busybox", b"\x7fELF busybox"),
    link("./usr/bin/sh", "./usr/bin/busybox"),
    link("./bin", "usr/bin", tarfile.SYMTYPE),
)


def names(layer: Layer) -> list[str]:
    return [fact.name.removeprefix("./") for fact in facts(layer.tar)]


def test_first_come_their_folders_what_links_lead_to_and_they_themselves() -> None:
    """A2: in the order they were asked for; the others stay as they were."""
    layer = converted(SOURCE, "usr/bin/sh", "bin", "usr/lib/libc.so", "usr/bin/sh")
    first = ["usr", "usr/bin", "usr/bin/busybox", "usr/bin/sh", "bin", "usr/lib", "usr/lib/libc.so"]
    assert layer.names == ["./", *first, PREFETCH, "etc", "etc/hosts", "usr/lib/" + "long" * 40]
    assert names(layer) == [".", *first, "etc", "etc/hosts", "usr/lib/" + "long" * 40]
    assert (layer.converted.prioritized, layer.converted.entries) == (4, 12)


@pytest.mark.parametrize("first", ["etc/hosts", "usr/lib/libc.so", "usr/lib/" + "long" * 40, "bin"])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_the_landmark_is_a_byte_where_the_first_files_end(first: str, form: int) -> None:
    """A2: a member of its own, whatever entry follows, with headers of its own or none; nobody unpacks it."""
    source = tar(
        *(file(name, name.encode()) for name in ("etc/hosts", "usr/lib/" + "long" * 40, "after")),
        file("usr/lib/libc.so", b"libc", pax_headers={"SCHILY.xattr.user.a": "b"}),
        link("bin", "y" * 150, tarfile.SYMTYPE),
        form=form,
    )
    layer = converted(source, first)
    landmark = layer.entry(PREFETCH)
    assert landmark.chunk_digest == landmark.digest == "sha256:" + hashlib.sha256(b"\x0f").hexdigest()
    assert layer.names.index(PREFETCH) == 1
    assert sorted(facts(layer.tar)) == sorted(facts(source))
    assert PREFETCH not in names(layer)


def test_where_everything_comes_first_the_landmark_stands_behind_the_archive() -> None:
    """A2: there is no entry whose header could hold it."""
    layer = converted(tar(file("a", b"a"), file("b", b"b")), "b", "a")
    assert names(layer) == ["b", "a"]
    assert layer.names == ["b", "a", PREFETCH]


def test_without_any_of_the_files_nothing_is_to_be_fetched_first() -> None:
    """A2: a list may be of other layers."""
    layer = converted(SOURCE, "usr/bin/python3", "usr/lib/libc.so/x", "", "..")
    assert layer.blob == converted(SOURCE).blob


@pytest.mark.parametrize(
    ("members", "files"),
    [
        # A whiteout before the file would take it away if the file came first.
        ([file(".wh.a"), file("a", b"a")], ["a"]),
        ([file(".wh.d"), file("d/a", b"a")], ["d/a"]),
        ([folder("d"), file("d/.wh.a"), file("d/a", b"a")], ["d/.wh.a", "d/a"]),
        # The second one counts, and would no longer be the second.
        ([file("a", b"1"), file("a", b"2")], ["a"]),
        ([file("a", b"1"), folder("a"), file("a/b", b"2")], ["a/b"]),
    ],
)
def test_what_would_come_to_something_else_stays_where_it_is(
    members: list[tuple[tarfile.TarInfo, bytes]], files: list[str]
) -> None:
    """A2: and the others are moved all the same."""
    layer = converted(tar(*members, file("z", b"z")), *files, "z")
    assert names(layer) == ["z", *(info.name for info, _ in members)]


def test_folders_that_occur_twice_keep_their_order() -> None:
    """A2: what the second says of a folder holds."""
    members = [folder("d"), file("x", b"x"), folder("d", uid=7), file("d/a", b"a")]
    layer = converted(tar(*members), "d/a")
    assert [(fact.name, fact.owner[0]) for fact in facts(layer.tar)] == [("d", 0), ("d/a", 0), ("x", 0), ("d", 7)]
    assert layer.entry("d").uid == 7


def test_links_lead_on_to_what_they_link_to() -> None:
    """A2: a link to a link has both before it."""
    members = [file("z", b"z"), folder("d"), file("d/a", b"a"), link("b", "d/a"), link("c", "b")]
    assert names(converted(tar(*members), "c")) == ["d", "d/a", "b", "c", "z"]
