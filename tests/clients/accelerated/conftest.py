"""The image that is hard to convert, pushed and converted once for all tests of this folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.clients.accelerated.odd_image import ODD_RECIPE, OddImage, odd_image
from tests.clients.accelerated.place import Place, accelerating, as_docker
from tests.clients.conftest import Shell
from tests.clients.image import tools
from tests.conformance.client import Repository
from tests.conftest import MEMORY, ROOM_BYTES
from tests.lacking import lacking
from tests.serving import serving

# What `/bin/sh -c` opens; files of three layers; one that is in none.
FIRST_FILES = (
    "/usr/bin/dash", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2", "/etc/ld.so.cache",
    "/usr/bin/cat", "/odd/links/second", "/odd/opaque/new", "/many/small/00777", "/many/large", "/not/here",
)  # fmt: skip
_TAGS = ("v1", "plain", "small", "lean", "sparse", "twice")


@dataclass(frozen=True)
class Converted:
    """`plain` has no list of first files, `listed` has FIRST_FILES; companions: digests by tag, in each of them."""

    place: Place
    plain: Repository
    listed: Repository
    companions: dict[str, str]
    listed_companion: str


@pytest.fixture(scope="session")
def memory() -> str | None:
    """A folder in memory for what clients unpack, if the machine has room there: tens of thousands of files are made
    and deleted. None where a file in memory cannot have all that the files of an image have."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM_BYTES:
        return None
    with TemporaryDirectory(prefix="crs-", dir=MEMORY) as tried:
        try:
            os.setxattr(tried, "user.tried", b"1")
        except OSError:
            return None
    return str(MEMORY)


@pytest.fixture
def shell(memory: str | None) -> Iterator[Shell]:
    with TemporaryDirectory(prefix="crs-", dir=memory) as home:
        yield Shell(Path(home))


@pytest.fixture(scope="session")
def odd() -> OddImage:
    tree = tools() / "trees" / "bookworm-amd64"
    if not tree.is_dir():
        lacking(f"{tree} is missing: run .ci/install-clients")
    return odd_image(tree, tools() / f"odd-image-{ODD_RECIPE}")


@pytest.fixture(scope="session")
def converted(odd: OddImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Converted]:
    with (
        TemporaryDirectory(prefix="crs-") as home,
        serving(tmp_path_factory.mktemp("accelerated") / "data") as service,
        accelerating(service) as place,
    ):
        shell = Shell(Path(home))
        plain, listed = place.repository("plain"), place.make("listed", FIRST_FILES)
        for tag in _TAGS:
            place.push(shell, odd, tag, plain)
        as_docker(plain, "small", "docker")
        place.push(shell, odd, "v1", listed)
        companions = {tag: place.companion(plain, tag) for tag in (*_TAGS, "docker")}
        yield Converted(place, plain, listed, companions, place.companion(listed, "v1"))
