"""S3: Alpine's packages."""

from __future__ import annotations

import pytest

from chalicelib.packages.models import Package
from tests.packages.layers import image_of

INSTALLED = """C:Q1rAHCRMuQRDLK3NIRD0aJVQ6CTnM=
P:musl
V:1.2.4-r2
A:x86_64
L:MIT
o:musl
m:Timo <t@alpinelinux.org>
F:lib
R:ld-musl-x86_64.so.1
Z:Q1

P:libcrypto3
V:3.1.4-r1
o:openssl
L:GPL2+ AND (MPL 2.0 OR Apache-2.0 WITH LLVM-exception)

P:no-origin
V:2_rc1-r0

P:musl
V:9.9-r9

P:strange
V:not-a-version

P:musl-utils
V:1.2.4-r2
o:musl
"""


@pytest.mark.parametrize("path", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_what_is_installed_is_told_with_its_source(path: str) -> None:
    """S3: the first paragraph about a name counts; one without an origin is its own."""
    image = image_of({"etc/alpine-release": "3.19.0\n", path: INSTALLED})
    assert [each.package for each in image.packages] == [
        Package(
            type="alpine",
            name="libcrypto3",
            version="3.1.4-r1",
            source_name="openssl",
            source_version="3.1.4-r1",
            licenses=("GPL-2.0-or-later", "MPL-2.0", "Apache-2.0 WITH LLVM-exception"),
        ),
        Package(
            type="alpine",
            name="musl",
            version="1.2.4-r2",
            arch="x86_64",
            source_name="musl",
            source_version="1.2.4-r2",
            licenses=("MIT",),
            maintainer="Timo <t@alpinelinux.org>",
        ),
        Package(type="alpine", name="musl-utils", version="1.2.4-r2", source_name="musl", source_version="1.2.4-r2"),
        Package(
            type="alpine", name="no-origin", version="2_rc1-r0", source_name="no-origin", source_version="2_rc1-r0"
        ),
    ]
    assert image.problems == {}
