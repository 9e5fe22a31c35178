"""S3: layers laid over each other."""

from __future__ import annotations

from chalicelib.packages.merging import merge
from chalicelib.packages.models import ImageInventory
from tests.packages import rpm_writing as rpm
from tests.packages.layers import image_of
from tests.packages.test_rpm import BASH

SIX = "Name: six\nVersion: {}\n"
PATH = "opt/app/six.dist-info/METADATA"
ALPINE: dict[str, str | bytes] = {"etc/alpine-release": "3.19.0\n"}


def installed(**packages: str) -> str:
    return "".join(f"P:{name}\nV:{version}\no:{name}\n\n" for name, version in packages.items())


def stands(image: ImageInventory) -> list[tuple[str, str, str]]:
    return [(each.package.name, each.package.version, each.layer.digest[-1]) for each in image.packages]


def test_a_package_stands_since_the_layer_that_brought_this_version() -> None:
    """S1: a database is written whole again by every layer that installs something."""
    image = image_of(
        {**ALPINE, "lib/apk/db/installed": installed(a="1-r0", b="1-r0", c="1-r0")},
        {"lib/apk/db/installed": installed(a="1-r0", b="2-r0", d="1-r0")},
        {"x": ""},
    )
    assert stands(image) == [("a", "1-r0", "0"), ("b", "2-r0", "1"), ("d", "1-r0", "1")]


def test_a_library_stands_since_the_layer_that_brought_this_version_to_this_place() -> None:
    """S1."""
    other = "srv/six.dist-info/METADATA"
    image = image_of({PATH: SIX.format(1)}, {PATH: SIX.format(1), other: SIX.format(1)}, {PATH: SIX.format(2)})
    assert stands(image) == [("six", "1", "1"), ("six", "2", "2")]
    assert stands(image_of({PATH: SIX.format(1)}, {PATH: SIX.format(1)})) == [("six", "1", "0")]


def test_what_a_layer_deletes_is_gone_and_may_come_back() -> None:
    """S3: a file, a folder above it, everything in a folder, everything there is."""
    base: dict[str, str | bytes] = {PATH: SIX.format(1), "opt/appendix/six.dist-info/METADATA": SIX.format(2)}
    for whiteout in ("opt/app/six.dist-info/.wh.METADATA", "opt/app/.wh.six.dist-info", "opt/.wh.app"):
        assert stands(image_of(base, {whiteout: ""})) == [("six", "2", "0")]
    assert stands(image_of(base, {"opt/app/.wh..wh..opq": ""})) == [("six", "2", "0")]
    assert stands(image_of(base, {"opt/.wh..wh..opq": ""})) == []
    assert stands(image_of(base, {".wh..wh..opq": ""})) == []
    assert stands(image_of(base, {"opt/.wh.app": ""}, {PATH: SIX.format(3)})) == [("six", "2", "0"), ("six", "3", "2")]


def test_a_whiteout_says_nothing_about_its_own_layer() -> None:
    """S3: a folder that is emptied and filled again."""
    for order in (1, -1):
        files = {"opt/app/.wh..wh..opq": "", "opt/.wh.app": "", PATH: SIX.format(2)}
        image = image_of({PATH: SIX.format(1)}, {path: files[path] for path in list(files)[::order]})
        assert stands(image) == [("six", "2", "1")]


def test_a_problem_stands_as_long_as_its_file_does() -> None:
    """S2."""
    database = "var/lib/rpm/Packages"
    broken: dict[str, str | bytes] = {database: b"x" * 100}
    assert set(image_of(broken).problems) == {database}
    assert set(image_of(broken, {"x": ""}).problems) == {database}
    assert image_of(broken, {"var/lib/rpm/.wh.Packages": ""}).problems == {}
    assert image_of(broken, {database: rpm.bdb([rpm.header(BASH)])}).problems == {}
    assert image_of({**ALPINE, "lib/apk/db/installed": b"P:" + b"x" * 2_000_000}, ALPINE).problems != {}


def test_packages_of_a_system_that_nobody_names_keep_the_managers_name() -> None:
    """S3: an image without any file that says which system it is."""
    image = image_of({"var/lib/dpkg/status": "Package: a\nVersion: 1\n"})
    assert image.system is None
    assert [each.package.type for each in image.packages] == ["dpkg"]


def test_a_package_that_two_databases_name_is_one() -> None:
    """S3: a status file beside the folder of single ones, and for another architecture."""
    text = "Package: a\nVersion: 1\nArchitecture: amd64\n"
    folder = "var/lib/dpkg/status.d"
    other = text.replace("amd64", "i386")
    image = image_of({"var/lib/dpkg/status": text, f"{folder}/a": text, f"{folder}/b": other})
    assert stands(image) == [("a", "1", "0")]


def test_no_layers_make_an_empty_image() -> None:
    assert merge([]) == ImageInventory()
