"""S3: Debian's packages, as their status files tell them."""

from __future__ import annotations

import pytest

from chalicelib.packages.models import Package
from chalicelib.packages.systems.dpkg import is_third_party, written
from tests.packages.layers import image_of

STATUS = """Package: bash
Status: install ok installed
Maintainer: Matthias Klose <doko@debian.org>
Architecture: amd64
Source: bash (5.0-3)
Version: 5.0-4
Description: shell
 Version: 9 is not said here

Package: libssl1.1
Status: hold ok installed
source: openssl
Version: 0:1.1.1n-0+deb11u5
Version: 9
Architecture: amd64

Package: removed
Status: deinstall ok config-files
Version: 1

Package: purged
Status: purge ok not-installed
Version: 1

Package: nameless-version
Status: install ok installed

Package: strange
Status: install ok installed
Version: v1
"""


def packages(*layers: dict[str, str | bytes]) -> list[Package]:
    return [each.package for each in image_of(*layers).packages]


def test_what_is_installed_is_told_with_its_source() -> None:
    """S3: removed packages, and what is no version, are left out; an epoch of zero is not written."""
    assert packages({"etc/debian_version": "11\n", "var/lib/dpkg/status": STATUS}) == [
        Package(
            type="debian",
            name="bash",
            version="5.0-4",
            arch="amd64",
            source_name="bash",
            source_version="5.0-3",
            maintainer="Matthias Klose <doko@debian.org>",
        ),
        Package(
            type="debian",
            name="libssl1.1",
            version="1.1.1n-0+deb11u5",
            arch="amd64",
            source_name="openssl",
            source_version="1.1.1n-0+deb11u5",
        ),
    ]


@pytest.mark.parametrize(
    ("version", "kept"),
    [
        ("1:2.3-4", "1:2.3-4"),
        ("00:2.3-4", "2.3-4"),
        (" 2.3 ", "2.3"),
        ("2.3-rc1-4~deb", "2.3-rc1-4~deb"),
        ("1:2:3-4", "1:2:3-4"),
        ("x2", ""),
        ("-1:2", ""),
        ("a:2", ""),
        ("1:", ""),
        ("2 3", ""),
        ("2-3:4", ""),
        ("", ""),
    ],
)
def test_versions_are_written_as_dpkg_writes_them(version: str, kept: str) -> None:
    assert written(version) == kept


def test_distroless_images_have_a_file_for_each_package() -> None:
    """S3: one that a later layer deletes is gone, the others stay."""
    base: dict[str, str | bytes] = {
        "etc/debian_version": "12.1\n",
        "var/lib/dpkg/status.d/tzdata": "Package: tzdata\nVersion: 2024a-0\nArchitecture: all\n",
        "var/lib/dpkg/status.d/libc6": "Package: libc6\nVersion: 2.36-9\nSource: glibc\n",
        "var/lib/dpkg/status.d/tzdata.md5sums": "0123  usr/share/zoneinfo/UTC\n",
    }
    image = image_of(base, {"var/lib/dpkg/status.d/.wh.tzdata": ""})
    assert [(each.package.name, each.package.source_name) for each in image.packages] == [("libc6", "glibc")]
    assert image.problems == {}


def test_packages_of_other_makers_are_told_apart() -> None:
    """S3: no advisory of Debian's is about them."""
    assert is_third_party("Docker <support@docker.com>")
    assert is_third_party("HashiCorp")
    assert not is_third_party("HashiCorp fans <x@debian.org>")
    assert not is_third_party("")


def test_licences_come_from_the_copyright_file_of_the_package() -> None:
    """S4."""
    text = (
        "Files: *\nLicense: GPL-2+ or Artistic, and BSD-3-clause\n text\n"
        "License:\n\nsee /usr/share/common-licenses/LGPL-2.1.\n"
    )
    image = image_of(
        {"etc/debian_version": "11\n", "var/lib/dpkg/status": STATUS, "usr/share/doc/bash/copyright": text},
        {"usr/share/doc/bash/examples/copyright": "License: Other\n"},
    )
    licences = {each.package.name: each.package.licenses for each in image.packages}
    assert licences["bash"] == ("GPL-2.0-or-later", "Artistic-2.0", "BSD-3-Clause", "LGPL-2.1-only")
    assert licences["libssl1.1"] == ()


def test_an_endless_line_is_a_problem_and_not_an_exception() -> None:
    image = image_of({"etc/debian_version": "11\n", "var/lib/dpkg/status": b"Package: " + b"x" * 2_000_000})
    assert image.packages == ()
    assert "a line of more than" in image.problems["var/lib/dpkg/status"]
