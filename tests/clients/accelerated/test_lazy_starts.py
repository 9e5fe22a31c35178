"""containerd with the stargz snapshotter: containers of accelerated images start before they are downloaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.accelerated.conftest import Converted
from tests.clients.accelerated.lazily import Lazy, lazy_containerd
from tests.clients.accelerated.odd_image import OddImage
from tests.clients.accelerated.place import SUFFIX, platforms
from tests.clients.conftest import Shell
from tests.clients.daemons import containerd
from tests.clients.trees import Entry, differences, walk
from tests.clients.unpacking import ctr
from tests.conformance.client import Repository
from tests.lacking import lacking

pytestmark = pytest.mark.clients

SAYS = "cat /odd/opaque/new /etc/debian_version; ls -d /odd/gone /odd/opaque/a /many/large 2>/dev/null; true"
SAID = ["all that is left", "/many/large"]


@contextmanager
def lazily(shell: Shell, converted: Converted) -> Iterator[Lazy]:
    if not Path("/dev/fuse").exists() or os.geteuid() != 0:
        lacking("mounting needs root and /dev/fuse")
    with lazy_containerd(shell, converted.place.target) as lazy:
        yield lazy


def blob_bytes(repository: Repository, digest: str) -> int:
    layers = platforms(repository, digest)["amd64"]
    return sum(int(repository.blob("HEAD", layer.digest).headers["Content-Length"]) for layer in layers)


def diff_ids(repository: Repository, digest: str) -> list[str]:
    return [layer.diff_id for layer in platforms(repository, digest)["amd64"]]


def test_a_container_runs_while_most_of_its_image_is_still_away(shell: Shell, converted: Converted) -> None:
    """A2: counted by the service itself."""
    place = converted.place
    name = place.target.name(converted.plain, f"v1{SUFFIX}")
    whole = blob_bytes(converted.plain, converted.companions["v1"])
    with lazily(shell, converted) as lazy:
        before = place.sent_bytes()
        lazy.pull(name)
        pulled = place.sent_bytes() - before
        assert lazy.mounts() == len(diff_ids(converted.plain, converted.companions["v1"]))
        said = lazy.run(name, "/bin/sh", "-c", SAYS)
        ran = place.sent_bytes() - before
    assert all(line in said for line in SAID) and "gone" not in said and "/odd/opaque/a" not in said
    assert 0 < pulled < whole / 10
    assert pulled < ran < whole / 4


def test_what_a_list_names_is_there_before_a_container_asks_for_it(shell: Shell, converted: Converted) -> None:
    """A2: the snapshotter reads up to the landmark when it mounts."""
    place, asked = converted.place, {}
    with lazily(shell, converted) as lazy:
        for repository in (converted.plain, converted.listed):
            name = place.target.name(repository, f"v1{SUFFIX}")
            lazy.pull(name)
            lazy.settled(place.sent_bytes)
            before = place.sent_bytes()
            lazy.run(name, "/bin/sh", "-c", "cat /many/large > /dev/null")
            asked[repository.name] = place.sent_bytes() - before
    assert asked[converted.listed.name] < asked[converted.plain.name] / 10


@pytest.mark.parametrize("listed", [False, True])
def test_read_through_the_mount_the_whole_tree_is_the_original(
    listed: bool, shell: Shell, converted: Converted
) -> None:
    """A2: the format tells times in whole seconds, which are never those of a later one."""
    place = converted.place
    repository, digest = (
        (converted.listed, converted.listed_companion) if listed else (converted.plain, converted.companions["v1"])
    )
    with ctr(shell, place.target, place.target.name(converted.plain, "v1")) as root:
        original = walk(root)
    with lazily(shell, converted) as lazy:
        lazy.pull(place.target.name(repository, f"v1{SUFFIX}"))
        with lazy.mounted(diff_ids(repository, digest)) as root:
            found = walk(root)
    assert differences(below(original), below(found), whole_seconds=True) == []


def test_what_the_recorder_traced_comes_first(shell: Shell, odd: OddImage, converted: Converted) -> None:
    """A1: a list as an artifact beside the image, of a file that nothing but a trace can know of."""
    place = converted.place
    repository = place.repository("traced")
    place.push(shell, odd, "lean", repository)
    before, name = place.companion(repository, "lean"), place.target.name(repository, "lean")
    login = ("--plain-http", "--user", f"{place.target.username}:{place.target.password}")
    with containerd(shell) as socket:
        own = ("ctr-remote", "-a", socket, "images")
        shell.run(*own, "pull", "--platform", "linux/amd64", *login, name)
        shell.run(*own, "optimize", "--period", "2", "--record-out", "list", "--estargz-compression-level", "1",
                  "--args", '["-c", "cat /many/small/00042 > /dev/null"]', name, "not-needed:v1")  # fmt: skip
    of_target = ("--username", place.target.username, "--password", place.target.password)
    shell.run("oras", "attach", "--plain-http", *of_target, "--artifact-type", "application/vnd.crs.first-files.v1",
              name, "list:text/plain")  # fmt: skip
    after = place.accelerate(repository, "lean")
    assert after != before
    _, many = platforms(repository, after)["amd64"]
    (shell.home / "layer").write_bytes(repository.blob("GET", many.digest).content)
    assert json.loads(shell.run("stargz-verify", "layer", many.toc_digest))["prefetched"] == ["many/small/00042"]


def below(tree: dict[str, Entry]) -> dict[str, Entry]:
    """Without the root itself, of which the table of contents of a layer tells nothing."""
    return {name: entry for name, entry in tree.items() if name != "."}
