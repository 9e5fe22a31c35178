"""S3, S4: one look at each entry of a layer."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from time import perf_counter
from typing import BinaryIO

import pytest

from chalicelib.layers.entries import Entry, Kind, LayerRefused, Limits
from chalicelib.layers.reading import read_layer
from chalicelib.packages import inspection
from chalicelib.packages.inspection import LayerInspector
from chalicelib.packages.models import LayerInventory, Package
from chalicelib.packages.reading import MOST_PACKAGES, Places, Told, Unreadable
from chalicelib.packages.systems.apk import Apk
from tests.layers import archives
from tests.packages import rpm_writing as rpm
from tests.packages.layers import image_of, inspected
from tests.packages.rebuild import tar
from tests.packages.test_rpm import BASH

METADATA = "usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA"
SIX = "Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n"
STATUS = "Package: python3-six\nStatus: install ok installed\nVersion: 1.16.0-4\nArchitecture: all\n"
SUMS = f"0123456789abcdef0123456789abcdef  {METADATA}\n"


def names(*layers: dict[str, str | bytes]) -> list[str]:
    return [each.package.name for each in image_of(*layers).packages]


def archive(members: Sequence[tuple[str, bytes, str]]) -> bytes:
    """name, type of tar, where it points."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as written:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            written.addfile(info)
    return buffer.getvalue()


def test_whiteouts_opaque_folders_and_sizes_are_noted() -> None:
    inventory = inspected(tar({"a/.wh.b": "", ".wh.c": "", "d/.wh..wh..opq": "", ".wh..wh.plnk/1": "", "e/f": "12345"}))
    assert (inventory.whiteouts, inventory.opaque) == (("a/b", "c"), ("d",))
    assert (inventory.entries, inventory.size) == (5, 5)
    assert inventory.found == ()


@pytest.mark.parametrize("reverse", [False, True], ids=["status first", "status last"])
def test_libraries_of_the_systems_own_packages_are_left_out(reverse: bool) -> None:
    """S3: advisories of the system are about them, under versions of the system."""
    files: dict[str, str | bytes] = {
        "etc/debian_version": "12.1\n",
        "var/lib/dpkg/status": STATUS,
        "var/lib/dpkg/info/python3-six.md5sums": SUMS,
        METADATA: SIX,
        "opt/app/flask-3.0.dist-info/METADATA": "Name: flask\nVersion: 3.0\n",
    }
    order = sorted(files, reverse=reverse)
    assert names({path: files[path] for path in order}) == ["python3-six", "flask"]


@pytest.mark.parametrize(
    ("status", "sums", "kept"),
    [
        (STATUS, "python3-six:all.md5sums", False),
        (STATUS.replace("Version", "Maintainer: x <a@nodesource.com>\nVersion"), "python3-six.md5sums", True),
        (STATUS, "another.md5sums", True),
        (STATUS.replace("install ok", "deinstall ok"), "python3-six.md5sums", True),
    ],
    ids=["by architecture", "of another maker", "of a package that is not there", "of a removed package"],
)
def test_whose_a_file_is_has_to_be_confirmed_by_the_status(status: str, sums: str, kept: bool) -> None:
    """S3."""
    found = names(
        {
            "etc/debian_version": "12.1\n",
            METADATA: SIX,
            f"var/lib/dpkg/info/{sums}": SUMS,
            "var/lib/dpkg/status": status,
        }
    )
    assert ("six" in found) is kept


def test_apk_and_rpm_say_themselves_which_files_are_theirs() -> None:
    """S3."""
    folder, _, name = METADATA.rpartition("/")
    apk = f"P:py3-six\nV:1.16.0-r0\no:py3-six\nF:{folder}\nR:{name}\n"
    assert names({"etc/alpine-release": "3.19.0\n", METADATA: SIX, "lib/apk/db/installed": apk}) == ["py3-six"]
    files = {**BASH, rpm.FOLDERS: [f"/{folder}/"], rpm.FILES: [name], rpm.FOLDER_OF_FILE: [0]}
    for vendor, expected in (("CentOS", ["bash"]), ("Somebody", ["bash", "six"])):
        database = rpm.sqlite([rpm.header({**files, rpm.VENDOR: vendor})])
        found = names(
            {"etc/centos-release": "CentOS release 8.1\n", "var/lib/rpm/rpmdb.sqlite": database, METADATA: SIX}
        )
        assert found == expected


def test_a_hard_link_is_the_file_itself_under_another_name() -> None:
    """S3: tools that keep files once link them into place."""
    buffer = io.BytesIO(tar({METADATA: SIX}).rstrip(b"\0").ljust(2048, b"\0")[:2048])
    linked = "opt/six-1.16.0.dist-info/METADATA"
    link = archive([(linked, tarfile.LNKTYPE, METADATA)])
    whole = buffer.getvalue()[:1024] + link
    image = image_of(whole)
    assert [(each.package.name, each.package.path) for each in image.packages] == [("six", linked), ("six", METADATA)]


def test_what_is_no_file_hides_a_file_of_a_lower_layer() -> None:
    """S3: a link, or a file that tells nothing, in the place of one that told."""
    base: dict[str, str | bytes] = {"etc/alpine-release": "3.19.0\n", METADATA: SIX, "lib/x/y.dist-info/METADATA": SIX}
    assert names(base, {METADATA: "nothing\n"}) == ["six"]
    link = archive([(METADATA, tarfile.SYMTYPE, "/nowhere")])
    assert [each.package.path for each in image_of(base_tar(base), link).packages] == ["lib/x/y.dist-info/METADATA"]
    folder = archive([("lib", tarfile.SYMTYPE, "usr/lib")])
    assert [each.package.path for each in image_of(base_tar(base), folder).packages] == [METADATA]


def base_tar(files: dict[str, str | bytes]) -> bytes:
    return tar(files)


class Failing:
    name = "failing"
    places = Places(names=frozenset({"x"}))

    def __init__(self, error: Exception) -> None:
        self._error = error

    def wants(self, entry: Entry) -> bool:
        return True

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        raise self._error


def failing(error: Exception) -> LayerInventory:
    inspector = LayerInspector([Failing(error)])
    for entry in read_layer([tar({"a/x": "", "b": ""})]):
        inspector.look(entry)
    return inspector.finish()


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (Unreadable("no such thing"), "failing: no such thing"),
        (RecursionError(), "failing: RecursionError"),
        (MemoryError(), "failing: MemoryError"),
        (KeyError("k" * 500), "failing: 'k"),
        (ValueError("half a pair: \ud800"), "failing: half a pair: ?"),
    ],
)
def test_whatever_a_reader_fails_at_is_a_problem_of_that_file(error: Exception, problem: str) -> None:
    """S3: the file is no longer what it was in a layer below, either."""
    inventory = failing(error)
    assert inventory.problems["a/x"].startswith(problem)
    assert len(inventory.problems["a/x"]) <= 300
    assert inventory.replaced == ("a/x",)
    assert LayerInventory.model_validate_json(inventory.model_dump_json()) == inventory


def test_what_is_wrong_with_the_layer_ends_it() -> None:
    with pytest.raises(LayerRefused):
        failing(LayerRefused("truncated", "cut off"))


@pytest.mark.parametrize("peeks", [True, False])
def test_a_file_that_is_too_large_to_be_read_is_a_problem_of_that_file(peeks: bool) -> None:
    """S2: not silence, and not the end of the layer."""

    class Peeking(Counting):
        def wants(self, entry: Entry) -> bool:
            return not peeks or bool(entry.peek(1))

    inspector = LayerInspector([Peeking(ValueError())])
    hole = archives.pax([(b"GNU.sparse.map", b"0,1"), (b"GNU.sparse.size", b"4000")])
    layer = archives.entry(b"a/x", bytes(3000)) + hole + archives.entry(b"b/x", b"1") + archives.entry(b"c/x", b"2")
    for entry in read_layer([layer + archives.END], Limits(file_bytes=2000)):
        inspector.look(entry)
    inventory = inspector.finish()
    assert list(inventory.problems) == ["a/x", "b/x"]
    assert "files of up to" in inventory.problems["a/x"]
    assert inventory.replaced == ("a/x", "b/x")
    assert [each.path for each in inventory.found] == ["c/x"]


class Counting(Failing):
    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        return Told(facts={"read": content.read().decode()})


def test_every_reader_of_a_file_has_all_of_it() -> None:
    readers = [Counting(ValueError()), Counting(ValueError())]
    readers[1].name = "second"
    inspector = LayerInspector(readers)
    for entry in read_layer([tar({"x": "content"})]):
        inspector.look(entry)
    assert [each.facts for each in inspector.finish().found] == [{"read": "content"}] * 2


class Many(Failing):
    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        return Told(packages=[Package(type="x", name="n", version="1")] * (MOST_PACKAGES + 1))


def test_a_layer_of_more_packages_than_any_image_has_is_refused() -> None:
    inspector = LayerInspector([Many(ValueError())])
    entries = read_layer([tar({"x": ""})])
    entry = next(entries)
    with pytest.raises(LayerRefused) as refused:
        inspector.look(entry)
    assert refused.value.reason == "too_large"


@pytest.mark.parametrize(
    ("bound", "layer"),
    [
        ("_MOST_TOLD", tar({f"d/.wh.{'x' * 100}{number}": "" for number in range(20)})),
        ("_MOST_TOLD", archive([(f"d/{'x' * 100}{number}", tarfile.LNKTYPE, "d/target") for number in range(20)])),
        ("_MOST_OWNED", tar({"lib/apk/db/installed": "P:a\nV:1\nF:usr\n" + "R:x\n" * 2001})),
    ],
)
def test_a_layer_that_is_made_to_fill_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, bound: str, layer: bytes
) -> None:
    """S2: with names alone, of what it deletes, links, or says that packages own."""
    monkeypatch.setattr(inspection, bound, 2000)
    with pytest.raises(LayerRefused) as refused:
        inspected(layer)
    assert refused.value.reason == "too_large"


def test_a_path_that_no_system_has_is_nobodys() -> None:
    """S2: said once, a folder of a megabyte would be told again with each of its files."""
    listed = f"P:busybox\nV:1.36.1-r0\nF:{'d' * 5000}\nR:x\nF:usr/bin\nR:x\n"
    content = io.BytesIO(listed.encode())
    told = Apk().read("lib/apk/db/installed", content, Plain("lib/apk/db/installed"))
    assert (list(told.owns), [one.name for one in told.packages]) == (["usr/bin/x"], ["busybox"])


class Plain:
    """An entry that concerns nobody."""

    kind: Kind = "file"
    size = 100
    mode = 0o644
    target = ""

    def __init__(self, path: str) -> None:
        self.path = path

    def peek(self, size: int) -> bytes:
        raise AssertionError("nobody may look into this file")

    def content(self) -> BinaryIO:
        raise AssertionError("nobody may read this file")


def test_entries_that_concern_nobody_are_not_touched_and_cost_next_to_nothing() -> None:
    """S2: layers have hundreds of thousands. A bound that even a busy machine keeps."""
    entries = [Plain(f"usr/share/locale/de/LC_MESSAGES/file-{number}.mo") for number in range(20_000)]
    inspector = LayerInspector()
    before = perf_counter()
    for entry in entries:
        inspector.look(entry)
    assert (perf_counter() - before) / len(entries) < 20e-6
    assert inspector.finish().entries == 20_000
