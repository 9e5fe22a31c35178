"""buildah: a container made from a pulled image, committed and pushed, and an index pushed whole."""

from __future__ import annotations

import json

import pytest

from tests.clients.conftest import Shell, Target, file_sha256, remote_digest
from tests.clients.image import LARGE_FILE, Layout
from tests.conformance.client import Repository

pytestmark = pytest.mark.clients
PLAIN = "--tls-verify=false"


class Buildah:
    """buildah with storage of its own on plain folders."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        folders = ("--root", str(shell.home / "storage"), "--runroot", str(shell.home / "run"))
        self.flags = (*folders, "--storage-driver", "vfs")

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        return self.shell.run("buildah", *self.flags, *arguments, stdin=stdin).strip()


def test_buildah_pulls_commits_and_pushes(shell: Shell, target: Target, image: Layout, pushed: Repository) -> None:
    """R3"""
    buildah, repository = Buildah(shell), target.repository("buildah")
    buildah("login", PLAIN, "-u", target.username, "--password-stdin", target.host, stdin=target.password)

    container = buildah("from", "-q", PLAIN, target.name(pushed, "docker"))
    mounted = buildah("mount", container)
    assert file_sha256(shell.home / mounted / LARGE_FILE) == image.large_file_sha256
    buildah("run", "--isolation", "chroot", container, "--", "sh", "-c", "echo built > /etc/built")
    buildah("unmount", container)
    buildah("commit", "-q", PLAIN, container, f"docker://{target.name(repository, 'built')}")
    assert len(repository.manifest("GET", "built").json()["layers"]) == len(image.layers("amd64")) + 1


def test_buildah_pushes_an_index_whole(shell: Shell, target: Target, image: Layout, pushed: Repository) -> None:
    """R3"""
    buildah, repository = Buildah(shell), target.repository("buildah-index")
    buildah("login", PLAIN, "-u", target.username, "--password-stdin", target.host, stdin=target.password)
    buildah("manifest", "create", "both")
    buildah("manifest", "add", PLAIN, "--all", "both", f"docker://{target.name(pushed, 'v1')}")
    buildah("manifest", "push", PLAIN, "--all", "--format", "oci", "both", f"docker://{target.name(repository, 'v1')}")
    document = repository.manifest("GET", "v1").json()
    assert {child["digest"] for child in document["manifests"]} == set(image.images.values())
    local = json.loads(buildah("manifest", "inspect", "both"))
    assert {child["digest"] for child in local["manifests"]} == set(image.images.values())
    assert remote_digest(repository, image.images["arm64"]) == image.images["arm64"]
