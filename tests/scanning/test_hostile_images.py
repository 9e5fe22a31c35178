"""Images that want to do harm, pushed and scanned like any other: each ends with its state and its reason, never with
"0 vulnerabilities", leaves nothing behind, and the image queued after it is scanned (S2, S4)."""

from __future__ import annotations

import contextlib
import gzip
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import pytest

from chalicelib.layers.entries import MIB, LayerRefused, Limits
from chalicelib.layers.zstandard import zstd
from chalicelib.ports.stack import Stack
from chalicelib.surveys.service import Surveys
from tests.layers.archives import END, entry, header, pax
from tests.packages.languages.made import archive, elf, properties
from tests.packages.rebuild import tar

from .shelf import DEBIAN, PYTHON, Files, Shelf, packed
from .test_states import refused, seen

PROGRAM: Final = 0o755
USUAL: Final = Limits()
RUBBISH: Final = Random(1).randbytes(100_000)
RELEASE: Final = {name: text for name, text in DEBIAN.items() if name.startswith("etc/")}
# What the process holds more after a scan than before: allocators keep some, a layer held whole would be far more.
MOST_GROWN: Final = 48 * MIB


class Hostile(NamedTuple):
    """layer: made when its test runs; limits: lowered where the usual ones need gigabytes to be reached."""

    layer: Callable[[], bytes]
    state: str
    reason: str
    limits: Limits = USUAL
    told: str = ""


def executable(name: bytes, content: bytes) -> bytes:
    made = bytearray(header(name, len(content)))
    made[100:108] = b"0000755\0"
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made) + content + bytes(-len(content) % 512)


def layered(*entries: bytes) -> bytes:
    return gzip.compress(b"".join(entries) + END, 1, mtime=0)


def debian(*entries: bytes) -> bytes:
    return layered(*(entry(path.encode(), str(text).encode()) for path, text in DEBIAN.items()), *entries)


def bomb() -> bytes:
    return header(b"zeros", 8**11 - 1) + bytes(64 * MIB)


def huge(name: str, size: int) -> bytes:
    """Nothing but a hole."""
    records = [(b"GNU.sparse.map", b"0,1"), (b"GNU.sparse.size", str(size).encode())]
    return pax(records) + entry(name.encode(), b"x")


def jars(depth: int) -> bytes:
    made = archive(properties("g", "innermost", "1"))
    for _ in range(depth):
        made = archive({"inner.jar": made})
    return made


def of_itself() -> bytes:
    """A jar whose only member is, as it says, the jar itself from its first byte on."""
    made = bytearray(archive({"again.jar": bytes(200)}, 0))
    central = made.rfind(b"PK\x01\x02")
    for at in (18, 22):
        made[at : at + 4] = len(made).to_bytes(4, "little")
    for at in (20, 24):
        made[central + at : central + at + 4] = len(made).to_bytes(4, "little")
    return bytes(made)


def flipped(data: bytes) -> bytes:
    """With one bit of its checksum turned over."""
    return data[:-8] + bytes([data[-8] ^ 1]) + data[-7:]


LIMITED: Final = Limits(bytes_most=32 * MIB, entries=1000, file_bytes=MIB)
IMAGES: Final[dict[str, Hostile]] = {
    "bomb of gzip": Hostile(lambda: gzip.compress(bomb(), 1), "failed", "too_large", LIMITED, "32 MiB"),
    "bomb of zstd": Hostile(lambda: zstd.compress(bomb()), "failed", "too_large", LIMITED, "32 MiB"),
    "bomb of entries": Hostile(lambda: layered(header(b"a") * 2000), "failed", "too_many_entries", LIMITED, "1000"),
    "endless name": Hostile(lambda: debian(header(b"x", 2**31, b"L")), "failed", "too_large", told="extended header"),
    "wrong checksum of gzip": Hostile(lambda: flipped(debian()), "failed", "corrupt"),
    "cut off zstd": Hostile(lambda: zstd.compress(tar(DEBIAN))[:-9], "failed", "truncated"),
    "bzip2": Hostile(lambda: b"BZh91AY&SY" + bytes(100), "failed", "unsupported_compression", told="bzip2"),
    "gzip in gzip": Hostile(lambda: gzip.compress(debian(entry(b"a", RUBBISH))), "failed", "corrupt"),
    "negative size": Hostile(
        lambda: layered(header(b"a", size_field=b"\xff" * 12)), "failed", "corrupt", told="no file can have"
    ),
    "nothing but devices": Hostile(
        lambda: layered(*(header(path.encode(), kind=kind) for path in DEBIAN for kind in (b"3", b"4", b"6"))),
        "unsupported",
        "nothing_recognised",
    ),
    "nothing but links in circles": Hostile(
        lambda: layered(
            header(b"var/lib/dpkg/status", kind=b"1", target=b"var/lib/dpkg/status"),
            header(b"etc/os-release", kind=b"2", target=b"os-release"),
        ),
        "unsupported",
        "nothing_recognised",
    ),
    "nothing but traversal": Hostile(
        lambda: layered(*(entry(b"a/../../" + path.encode(), str(text).encode()) for path, text in DEBIAN.items())),
        "unsupported",
        "nothing_recognised",
    ),
    "jars in jars": Hostile(
        lambda: debian(entry(b"app.jar", jars(6))), "partial", "unreadable_files", told="inside each other"
    ),
    "jar of itself": Hostile(lambda: debian(entry(b"app.jar", of_itself())), "partial", "unreadable_files"),
    "huge program": Hostile(
        lambda: debian(executable(b"bin/app", b"\x7fELF" + bytes(2 * MIB))),
        "partial",
        "unreadable_files",
        LIMITED,
        "bin/app has 2 MiB",
    ),
    "huge rpm database": Hostile(
        lambda: layered(
            entry(b"etc/centos-release", b"CentOS release 8.1 (Core)\n"), huge("var/lib/rpm/Packages", 2**40)
        ),
        "unsupported",
        "unreadable_files",
        told="var/lib/rpm/Packages has 1048576 MiB",
    ),
    "rpm database of rubbish": Hostile(
        lambda: layered(
            entry(b"etc/centos-release", b"CentOS release 8.1 (Core)\n"),
            entry(b"var/lib/rpm/rpmdb.sqlite", b"SQLite format 3\0" + b"\xff" * 8000),
        ),
        "unsupported",
        "unreadable_files",
    ),
    "status of binary rubbish": Hostile(
        lambda: packed({**RELEASE, "var/lib/dpkg/status": RUBBISH}), "unsupported", "nothing_recognised"
    ),
}


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    opened = Shelf.opened(stack)
    opened.import_database()
    return opened


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak() -> int:
    """Bytes of memory at most since the peak was started anew."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def opened() -> list[str]:
    targets = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that lists them
            targets.append(os.readlink(descriptor))
    return targets


@contextlib.contextmanager
def nothing_left(folder: Path) -> Iterator[None]:
    """No files in the folder for temporary ones, and none without a name that is still open."""
    held = resident()
    yield
    assert list(folder.iterdir()) == []
    assert not [target for target in opened() if target.startswith(str(folder))]
    assert resident() - held < MOST_GROWN


def survey(shelf: Shelf, digest: str, limits: Limits) -> None:
    """Reads the layer under these limits, as the scan would have; what came of it is remembered."""
    image = Surveys(shelf.stack).layers_of(shelf.instance, shelf.library.repository().id, digest)
    with contextlib.suppress(LayerRefused):
        Surveys(shelf.stack, limits).survey(shelf.instance, image.layers[0].ref)


@pytest.mark.parametrize("name", IMAGES)
def test_a_hostile_image_ends_with_its_reason_and_its_neighbour_is_scanned(
    name: str, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    hostile = IMAGES[name]
    digest = shelf.push(hostile.layer())
    shelf.push(DEBIAN, tag="v2")
    with nothing_left(temporary):
        if hostile.limits is not USUAL:
            survey(shelf, digest, hostile.limits)
        first, second = shelf.begin("v1"), shelf.begin("v2")
        shelf.carried_out(first)
    assert seen(shelf) == (hostile.state, hostile.reason, hostile.state == "partial")
    assert hostile.told in shelf.record(digest).message
    assert refused(shelf, digest) == (200 if hostile.state == "partial" else 409)
    assert shelf.task(second).state == "succeeded"
    assert seen(shelf, "v2") == ("succeeded", "", True)


@pytest.mark.parametrize(
    "compress",
    [
        pytest.param(gzip.compress, marks=pytest.mark.campaign, id="gzip"),
        pytest.param(zstd.compress, marks=pytest.mark.exhaustive, id="zstd"),
    ],
)
def test_a_layer_of_ten_million_entries_is_given_up_soon_and_in_little_memory(
    compress: Callable[[bytes], bytes], shelf: Shelf
) -> None:
    """S2: under the usual limits, a path each as long as a header has it, 5 GiB of them in 15 MB.

    What takes the time is the same for either compression: campaigns have it of gzip, zstd is exhaustive.
    """
    folders = ["-".join([f"{folder:04d}", "x" * 90]) for folder in range(100)]
    part = compress(b"".join(header(folder.encode()) for folder in folders) * 1000)
    digest = shelf.push(part * 100)
    shelf.push(DEBIAN, tag="v2")
    first, second = shelf.begin("v1"), shelf.begin("v2")
    Path("/proc/self/clear_refs").write_text("5")
    held, began = peak(), time.process_time()
    shelf.carried_out(first)
    # A fifth of what reading all of them takes, three times over.
    assert time.process_time() - began < 60
    assert peak() - held < MOST_GROWN
    assert seen(shelf) == ("failed", "too_many_entries", False)
    assert "2000000 entries" in shelf.record(digest).message
    assert shelf.task(second).state == "succeeded"


def test_names_that_lead_out_of_the_layer_add_nothing_and_take_nothing_away(shelf: Shelf) -> None:
    outside = [entry(b"../" + path.encode(), b"") for path in DEBIAN]
    digest = shelf.push(
        debian(*outside, entry(b"..", b"x"), header(b"../.wh.etc"), header(b"/../../dev/sda", kind=b"4"))
    )
    shelf.scan()
    assert (seen(shelf), len(shelf.findings(digest))) == (("succeeded", "", True), 2)


SYSTEMS: Final[dict[str, tuple[Files, str]]] = {
    "NixOS": (
        {
            "etc/os-release": 'NAME=NixOS\nID=nixos\nVERSION_ID="24.05"\n',
            "nix/store/abc-openssl-3.0.13/lib/libssl.so": "x",
        },
        "unsupported_system",
    ),
    "Slackware": (
        {
            "etc/os-release": "NAME=Slackware\nID=slackware\nVERSION_ID=15.0\n",
            "etc/slackware-version": "Slackware 15.0\n",
            "var/log/packages/openssl-1.1.1w-x86_64-1": "PACKAGE NAME: openssl-1.1.1w-x86_64-1\n",
        },
        "unsupported_system",
    ),
    "Gentoo": ({"etc/os-release": "NAME=Gentoo\nID=gentoo\nVERSION_ID=2.15\n"}, "unsupported_system"),
    "nothing but a program in C": ({"app": elf({".text": bytes(100)})}, "nothing_recognised"),
    "nothing at all": ({}, "nothing_recognised"),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_nobody_can_judge_never_reads_as_free_of_vulnerabilities(name: str, shelf: Shelf) -> None:
    files, reason = SYSTEMS[name]
    digest = shelf.push(files)
    shelf.scan()
    assert seen(shelf) == ("unsupported", reason, False)
    assert refused(shelf, digest) == 409
    shelf.push(files, PYTHON, tag="v2")
    shelf.scan("v2")
    expected = ("partial", reason, True) if reason == "unsupported_system" else ("succeeded", "", True)
    assert seen(shelf, "v2") == expected
