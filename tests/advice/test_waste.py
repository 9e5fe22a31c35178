"""Wasted bytes against an oracle that walks the archives by the standard library and unpacks them into a dictionary."""

from __future__ import annotations

import io
import tarfile
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.advice.image_files import ImageFiles
from chalicelib.layers.contents import FileFact, read_contents
from tests.advice.building import contents
from tests.layers import archives

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@st.composite
def layers(draw: st.DrawFn) -> list[bytes]:
    found = []
    for _ in range(draw(st.integers(1, 4))):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path in draw(st.lists(PATHS, max_size=5, unique=True)):
                kind = draw(st.sampled_from(["file", "file", "file", "folder", "gone", "opaque", "symlink"]))
                folder, _, name = path.rpartition("/")
                info = tarfile.TarInfo(path)
                if kind == "gone":
                    info = tarfile.TarInfo(f"{folder}/.wh.{name}".lstrip("/"))
                elif kind == "opaque":
                    info = tarfile.TarInfo(f"{path}/.wh..wh..opq")
                elif kind == "folder":
                    info.type = tarfile.DIRTYPE
                elif kind == "symlink":
                    info.type, info.linkname = tarfile.SYMTYPE, "elsewhere"
                else:
                    info.size = draw(st.integers(1, 50))
                archive.addfile(info, io.BytesIO(bytes(info.size)))
        found.append(buffer.getvalue())
    return found


def oracle(archives_of_layers: list[bytes]) -> tuple[int, int, dict[str, int]]:
    """(wasted, all, what is seen): every path of every layer looked at for every path, which nobody can get wrong."""
    seen: dict[str, int] = {}
    everything = 0
    for data in archives_of_layers:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            members = archive.getmembers()
        for member in members:
            folder, _, name = member.name.rpartition("/")
            if name == ".wh..wh..opq":
                seen = {path: size for path, size in seen.items() if not path.startswith(folder + "/")}
            elif name.startswith(".wh."):
                gone = f"{folder}/{name[4:]}".lstrip("/")
                seen = {p: size for p, size in seen.items() if p != gone and not p.startswith(gone + "/")}
        for member in members:
            if member.name.rpartition("/")[2].startswith(".wh."):
                continue
            everything += member.size
            seen.pop(member.name, None)
            if not member.isdir():
                seen = {path: size for path, size in seen.items() if not path.startswith(member.name + "/")}
                seen[member.name] = member.size
    return everything - sum(seen.values()), everything, seen


@settings(max_examples=120, deadline=None)
@given(layers())
def test_wasted_bytes_are_those_that_no_container_gets_to_see(built: list[bytes]) -> None:
    """D1: files deleted, written over, hidden by a folder's end; by the layers themselves."""
    files = ImageFiles.of(partial(read_contents, contents(layer)) for layer in built)
    wasted, everything, seen = oracle(built)
    assert {path: one.size for path, one in files.seen.items()} == seen
    assert (files.wasted_bytes, files.total_bytes) == (wasted, everything)


def test_losses_name_who_brought_and_who_took() -> None:
    big = archives.entry(b"opt/big", bytes(700)) + archives.entry(b"opt/small", bytes(5)) + archives.END
    gone = archives.entry(b".wh.opt") + archives.entry(b"opt/new", bytes(3)) + archives.END
    files = ImageFiles.of(partial(read_contents, contents(layer)) for layer in (big, gone))
    ((key, loss),) = files.losses.items()
    assert key == (0, 1, "deleted")
    assert (loss.bytes, loss.files, loss.paths) == (705, 2, ("opt/big", "opt/small"))


def test_a_hundred_thousand_files_are_looked_at_in_seconds_whatever_is_deleted() -> None:
    """A folder that is deleted takes no look at the rest of the image."""
    first = [FileFact(f"a/{n % 300}/{n % 7}/{n}", "file", 1, 0o644, 0, "") for n in range(60_000)]
    gone = [[FileFact(f"a/.wh.{n}", "file", 0, 0o644, 0, "")] for n in range(290)]
    files = ImageFiles.of([partial(iter, one) for one in (first, *gone)])
    assert len(files.seen) == 2000
    assert files.wasted_bytes == 58_000
