"""S3: rpm's packages, from databases of all three formats and from lists in place of one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest

from chalicelib.packages.models import Package
from chalicelib.packages.systems.rpm import Rpm, is_third_party, split_source
from tests.packages import rpm_writing as rpm
from tests.packages.layers import image_of

BASH: Mapping[int, rpm.Value] = {
    rpm.NAME: "bash",
    rpm.VERSION: "4.4.19",
    rpm.RELEASE: "10.el8",
    rpm.ARCH: "x86_64",
    rpm.VENDOR: "Red Hat, Inc.",
    rpm.LICENSE: "GPLv3+",
    rpm.SOURCE: "bash-4.4.19-10.el8.src.rpm",
    rpm.FOLDERS: ["/usr/bin/", "/etc/"],
    rpm.FILES: ["bash", "profile"],
    rpm.FOLDER_OF_FILE: [0, 1],
}
NODE: Mapping[int, rpm.Value] = {
    rpm.NAME: "nodejs",
    rpm.VERSION: "12.1",
    rpm.RELEASE: "1.module",
    rpm.EPOCH: 1,
    rpm.ARCH: "x86_64",
    rpm.VENDOR: "NodeSource",
    rpm.MODULARITY: "nodejs:12:8030020201124152102:229f0a1c",
    rpm.SOURCE: "(none)",
}
KEY: Mapping[int, rpm.Value] = {rpm.NAME: "gpg-pubkey", rpm.VERSION: "c105b9de", rpm.RELEASE: "4e0fd3a3"}
# What makes a header go over many pages.
LONG: Mapping[int, rpm.Value] = {
    rpm.NAME: "linux-firmware",
    rpm.VERSION: "20240111",
    rpm.RELEASE: "1",
    rpm.VENDOR: "CentOS",
    rpm.FOLDERS: ["/usr/lib/firmware/"],
    rpm.FILES: [f"file-{number:05}" for number in range(4000)],
    rpm.FOLDER_OF_FILE: [0] * 4000,
}
FORMATS: Mapping[str, Callable[[Sequence[bytes]], bytes]] = {
    "bdb": rpm.bdb,
    "bdb of a big-endian machine": partial(rpm.bdb, order=">"),
    "ndb": rpm.ndb,
    "sqlite": rpm.sqlite,
}
PATHS = (
    "var/lib/rpm/Packages",
    "usr/lib/sysimage/rpm/Packages.db",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "usr/share/rpm/rpmdb.sqlite",
)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_packages(name: str) -> None:
    """S3: epoch, source, module, licence; who made it; also from a header of many pages."""
    data = FORMATS[name]([rpm.header(each) for each in (BASH, NODE, KEY, LONG)])
    for path in PATHS:
        image = image_of({"usr/lib/os-release": "ID=rhel\nVERSION_ID=8.4\n", path: data})
        assert image.problems == {}
        bash, key, firmware, node = (each.package for each in image.packages)
        assert bash == Package(
            type="redhat",
            name="bash",
            version="4.4.19",
            release="10.el8",
            arch="x86_64",
            source_name="bash",
            source_version="4.4.19",
            source_release="10.el8",
            licenses=("GPLv3+",),
            maintainer="Red Hat, Inc.",
        )
        assert (key.name, key.arch, key.third_party, key.source_name) == ("gpg-pubkey", "None", True, "")
        assert (firmware.name, firmware.version) == ("linux-firmware", "20240111")
        assert (node.epoch, node.source_epoch, node.third_party) == (1, 1, True)
        assert node.modularity == "nodejs:12:8030020201124152102:229f0a1c"


@pytest.mark.parametrize("name", FORMATS)
def test_files_of_the_systems_own_packages_are_told_and_of_others_not(name: str) -> None:
    """S3: libraries that others' packages bring have advisories of their own."""
    other = {**NODE, rpm.FOLDERS: ["/opt/"], rpm.FILES: ["node"], rpm.FOLDER_OF_FILE: [0]}
    content = BytesIO(FORMATS[name]([rpm.header(each) for each in (BASH, other, LONG)]))
    owned = list(Rpm().read("x", content, None).owns)  # type: ignore[arg-type]
    assert owned[:2] == ["usr/bin/bash", "etc/profile"]
    assert owned[-1] == "usr/lib/firmware/file-03999"
    assert len(owned) == 4002


@pytest.mark.parametrize("name", FORMATS)
def test_hundreds_of_packages_are_all_found(name: str) -> None:
    """S3: over several pages of an index, an inner page of a tree, many slots."""
    data = FORMATS[name]([rpm.header({**BASH, rpm.NAME: f"p{number:04}"}) for number in range(700)])
    told = Rpm().read("x", BytesIO(data), None)  # type: ignore[arg-type]
    assert [each.name for each in told.packages] == [f"p{number:04}" for number in range(700)]
    assert told.problem == ""


def test_a_large_database_is_read_where_it_lies(tmp_path: Path) -> None:
    """S2: through a map of its file, of which parts are given back on the way."""
    files = [f"file-{number:06}" for number in range(60_000)]
    large = {**LONG, rpm.FILES: files, rpm.FOLDER_OF_FILE: [0] * len(files)}
    headers = [rpm.header({**large, rpm.NAME: f"p{number:02}"}) for number in range(18)]
    (tmp_path / "rpmdb").write_bytes(rpm.bdb(headers))
    with (tmp_path / "rpmdb").open("rb") as content:
        told = Rpm().read("x", content, None)  # type: ignore[arg-type]
        last = deque(told.owns, maxlen=1)
    assert sum(map(len, headers)) > 16 * 1024 * 1024
    assert sorted(each.name for each in told.packages) == [f"p{number:02}" for number in range(18)]
    assert (list(last), told.problem) == (["usr/lib/firmware/file-059999"], "")


@pytest.mark.parametrize("name", FORMATS)
def test_one_broken_package_leaves_the_others(name: str) -> None:
    broken = rpm.header(NODE)[:-30]
    image = image_of({PATHS[0]: FORMATS[name]([rpm.header(BASH), broken, rpm.header(LONG)])})
    assert [each.package.name for each in image.packages] == ["bash", "linux-firmware"]
    assert image.problems == {PATHS[0]: "rpm: a package's header says more than it holds"}


def test_a_file_that_is_no_database_is_a_problem() -> None:
    """S3: such an image must not read as one without packages and without trouble."""
    assert image_of({PATHS[0]: b"nothing of the kind" * 100}).problems == {PATHS[0]: "rpm: no rpm database"}


def test_makers_are_told_by_how_their_names_begin() -> None:
    assert not is_third_party("Red Hat, Inc.", "1")
    assert is_third_party("Not Red Hat", "1")
    assert not is_third_party("", "1.amzn2")
    assert is_third_party("", "1")


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("bash-4.2.46-30.amzn2.src.rpm", ("bash", "4.2.46", "30.amzn2")),
        ("java-1.8.0-openjdk-1.8.0.1-2.el7.src.rpm", ("java-1.8.0-openjdk", "1.8.0.1", "2.el7")),
        ("bash-1.src.rpm", ("", "", "")),
        ("bash", ("", "", "")),
        ("", ("", "", "")),
    ],
)
def test_a_source_file_is_taken_apart(file: str, parts: tuple[str, str, str]) -> None:
    assert split_source(file) == parts


def test_microsofts_distroless_images_have_a_list() -> None:
    """S3."""
    columns = ["mariner-release", "2.0-12.cm2", "1653816591", "1653753130", "Microsoft Corporation", "(none)", "580"]
    line = "\t".join([*columns, "noarch", "1", "mariner-release-2.0-12.cm2.src.rpm"]) + "\n"
    path = "var/lib/rpmmanifest/container-manifest-2"
    image = image_of({"etc/os-release": "ID=mariner\nVERSION_ID=2.0\n", path: line + "half a line\n"})
    assert [each.package for each in image.packages] == [
        Package(
            type="cbl-mariner",
            name="mariner-release",
            version="2.0",
            release="12.cm2",
            epoch=1,
            arch="noarch",
            source_name="mariner-release",
            source_version="2.0",
            source_release="12.cm2",
            source_epoch=1,
            maintainer="Microsoft Corporation",
        )
    ]
    assert image.problems == {path: "rpm-manifest: a line that is no package"}
