"""containerd through ctr: every platform of an index, down and up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.conftest import Shell, Target, assert_whole, file_sha256, remote_digest
from tests.clients.daemons import containerd
from tests.clients.image import LARGE_FILE, Layout
from tests.conformance.client import Repository

pytestmark = pytest.mark.clients


def test_ctr_pulls_and_pushes_all_platforms(shell: Shell, target: Target, image: Layout, pushed: Repository) -> None:
    """R3"""
    repository, copy = target.repository("ctr"), target.repository("ctr-copy")
    source, name = target.foreign_name(pushed, "v1"), target.name(repository, "v1")
    login = ("--plain-http", "--user", f"{target.username}:{target.password}")
    with containerd(shell) as socket:

        def ctr(*arguments: str | Path) -> str:
            return shell.run("ctr", "-a", socket, *arguments)

        ctr("images", "pull", "--snapshotter", "native", "--all-platforms", *login, source)
        assert image.blobs() <= set(ctr("content", "ls", "-q").split())
        # Pulled under another host name, so that the push sends all bytes; the next one finds them by mount.
        ctr("images", "tag", source, name)
        ctr("images", "push", *login, name)
        assert_whole(repository, "v1", image)

        ctr("images", "pull", "--snapshotter", "native", "--platform", "linux/amd64", *login, name)
        (shell.home / "root").mkdir()
        ctr("images", "mount", "--snapshotter", "native", name, shell.home / "root")
        try:
            assert file_sha256(shell.home / "root" / LARGE_FILE) == image.large_file_sha256
        finally:
            ctr("images", "unmount", shell.home / "root")

        docker = target.name(pushed, "docker")
        ctr("images", "pull", "--snapshotter", "native", "--all-platforms", *login, docker)
        ctr("images", "tag", docker, target.name(copy, "docker"))
        ctr("images", "push", *login, target.name(copy, "docker"))
        assert remote_digest(copy, "docker") == remote_digest(pushed, "docker")

        # A layout made elsewhere goes up as well; ctr wants it as one archive.
        shell.run("tar", "-cf", "layout.tar", "-C", image.path, "blobs", "index.json", "oci-layout")
        ctr("images", "import", "--snapshotter", "native", "--all-platforms", "--base-name",
            target.name(copy), "layout.tar")  # fmt: skip
        ctr("images", "push", *login, target.name(copy, "v1"))
        assert json.loads(copy.manifest("GET", "v1").content) == image.document(image.digest)

        wrong = ("--plain-http", "--user", f"{target.username}:wrong")
        shell.run("ctr", "-a", socket, "images", "push", *wrong, target.name(copy, "v1"), fails=True)
