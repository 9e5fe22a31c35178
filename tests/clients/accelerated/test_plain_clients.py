"""Clients that know nothing of accelerated images: what they pull has the same files, and what they push is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.clients.accelerated.conftest import Converted
from tests.clients.accelerated.odd_image import OddImage
from tests.clients.accelerated.place import SUFFIX
from tests.clients.conftest import Shell, remote_digest
from tests.clients.daemons import dockerd
from tests.clients.trees import Entry, differences, walk
from tests.clients.unpacking import UNPACKERS, podman_storage
from tests.conformance.client import Repository

pytestmark = pytest.mark.clients

# What an accelerated layer has in addition, and no container may see.
OWN = {"stargz.index.json", ".prefetch.landmark", ".no.prefetch.landmark"}
# umoci 0.4 and docker 20.10 know no zstd: they get the original of the same files whose layers all have gzip.
ORIGINALS = {"podman": "v1", "ctr": "v1", "umoci": "plain", "docker": "plain"}


def files(client: str, shell: Shell, converted: Converted, repository: Repository, tag: str) -> dict[str, Entry]:
    target = converted.place.target
    with UNPACKERS[client](shell, target, target.name(repository, tag)) as root:
        return walk(root)


def rootless(tree: Mapping[str, Entry]) -> dict[str, Entry]:
    """Without the time of the root, which most clients leave as the moment when they made the folder."""
    return {**tree, ".": replace(tree["."], mtime_ns=0)}


@pytest.mark.parametrize("client", UNPACKERS)
def test_a_plain_client_sees_the_files_of_the_original(client: str, shell: Shell, converted: Converted) -> None:
    """A2: names, kinds, rights, owners, times, attributes, links, devices and contents, with a list and without."""
    original = rootless(files(client, shell, converted, converted.plain, ORIGINALS[client]))
    assert len(original) > 6000
    for repository in (converted.plain, converted.listed):
        found = rootless(files(client, shell, converted, repository, f"v1{SUFFIX}"))
        assert differences(original, found) == []
        assert not OWN & found.keys()


@pytest.mark.parametrize("client", ["ctr", "umoci"])
def test_what_came_twice_in_a_layer_is_what_came_last(client: str, shell: Shell, converted: Converted) -> None:
    """A2: docker and podman refuse such a layer, as they refuse its original."""
    original, found = (
        rootless(files(client, shell, converted, converted.plain, tag)) for tag in ("twice", f"twice{SUFFIX}")
    )
    assert differences(original, found) == []
    assert original["twice"].size == len(b"what is left")


@pytest.mark.parametrize("client", UNPACKERS)
def test_a_sparse_file_that_only_tar_unpacks_becomes_one_for_all(
    client: str, shell: Shell, odd: OddImage, converted: Converted
) -> None:
    """A2"""
    (shell.home / "by-tar").mkdir()
    subprocess.run(["tar", "-xpf", odd.layers["sparse-gnu"], "-C", shell.home / "by-tar"], check=True)
    by_tar = walk(shell.home / "by-tar")
    found = files(client, shell, converted, converted.plain, f"sparse{SUFFIX}")
    # podman gives every root the rights 0555.
    assert differences(by_tar, {**found, ".": by_tar["."]}) == []


def test_podman_fetches_in_parts_what_it_has_not_yet(shell: Shell, converted: Converted) -> None:
    """A2: of the image with other files first it has every file already, and asks for tables of contents alone.

    podman 4.3 loses times and some owners when it pulls so, also of layers that the format's own library made.
    """
    place = converted.place
    name = f"v1{SUFFIX}"
    with podman_storage(shell, partial=True) as podman:
        first = podman.pull(place.target, place.target.name(converted.plain, name))
        before = place.sent_bytes()
        second = podman.pull(place.target, place.target.name(converted.listed, name))
        assert 0 < place.sent_bytes() - before < 1_000_000
        trees = [walk(root) for root in (first, second)]
    with UNPACKERS["podman"](shell, place.target, place.target.name(converted.plain, "v1")) as root:
        original = walk(root)
    for tree in trees:
        assert differences(substance(original), substance(tree)) == []


def substance(tree: Mapping[str, Entry]) -> dict[str, Entry]:
    return {
        name: replace(entry, mtime_ns=0, owner=(0, 0), mode=0 if name == "." else entry.mode)
        for name, entry in tree.items()
    }


@pytest.mark.parametrize("client", ["crane", "oras", "skopeo"])
def test_a_push_over_an_accelerated_image_is_refused_with_reason(
    client: str, shell: Shell, converted: Converted
) -> None:
    """A1"""
    target = converted.place.target
    source, name = target.name(converted.plain, "small"), target.name(converted.plain, f"v1{SUFFIX}")
    scheme = "docker://" if client == "skopeo" else ""
    logins = {"crane": ("auth", "login"), "oras": ("login", "--plain-http"), "skopeo": ("login", "--tls-verify=false")}
    copies = {
        "crane": ("copy", "--insecure"),
        "oras": ("cp", "--from-plain-http", "--to-plain-http"),
        "skopeo": ("copy", "--src-tls-verify=false", "--dest-tls-verify=false"),
    }
    shell.run(client, *logins[client], "-u", target.username, "--password-stdin", target.host, stdin=target.password)
    said = shell.run(client, *copies[client], f"{scheme}{source}", f"{scheme}{name}", fails=True)
    assert "accelerated" in said and "v1" in said and "push another name" in said
    assert remote_digest(converted.plain, f"v1{SUFFIX}") == converted.companions["v1"]


def test_docker_prints_why_it_may_not_push_over_an_accelerated_image(shell: Shell, converted: Converted) -> None:
    """A1"""
    target = converted.place.target
    source, name = target.name(converted.plain, "small"), target.name(converted.plain, f"v1{SUFFIX}")
    with dockerd(shell, target.host) as address:
        docker = ("docker", "--host", address)
        shell.run(*docker, "login", "-u", target.username, "--password-stdin", target.host, stdin=target.password)
        shell.run(*docker, "pull", "-q", source)
        shell.run(*docker, "tag", source, name)
        said = shell.run(*docker, "push", "-q", name, fails=True)
    assert "accelerated" in said and "push another name" in said
    assert remote_digest(converted.plain, f"v1{SUFFIX}") == converted.companions["v1"]
