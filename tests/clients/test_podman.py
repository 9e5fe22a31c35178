"""podman: one image of the index, from storage to the registry and back, and a build on top of it."""

from __future__ import annotations

import json

import pytest

from tests.clients.conftest import Shell, Target, file_sha256, remote_digest, remote_tags
from tests.clients.image import LARGE_FILE, Layout
from tests.conformance.client import Repository

pytestmark = pytest.mark.clients
PLAIN = "--tls-verify=false"


class Podman:
    """podman with storage of its own, and nothing that needs systemd, cgroups or a kernel file system."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.flags = (
            "--root", str(shell.home / "storage"), "--runroot", str(shell.home / "run"), "--storage-driver", "vfs",
            "--cgroup-manager", "cgroupfs", "--events-backend", "none",
        )  # fmt: skip

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        return self.shell.run("podman", *self.flags, *arguments, stdin=stdin).strip()


def test_podman_pulls_pushes_lists_and_builds(shell: Shell, target: Target, image: Layout, pushed: Repository) -> None:
    """R3"""
    podman, repository, copy = Podman(shell), target.repository("podman"), target.repository("podman-copy")
    source, name = target.foreign_name(pushed, "v1"), target.name(repository, "v1")
    config = image.config_digest("amd64").partition(":")[2]
    for host in (target.host, target.other_host):
        podman("login", PLAIN, "-u", target.username, "--password-stdin", host, stdin=target.password)

    podman("pull", "-q", PLAIN, source)
    assert podman("image", "inspect", "--format", "{{.Id}}", source) == config
    mounted = podman("image", "mount", source)
    assert file_sha256(shell.home / mounted / LARGE_FILE) == image.large_file_sha256
    podman("image", "unmount", source)

    # Pulled under another host name, so that the first push sends all bytes; the second finds them by mount.
    podman("tag", source, name)
    podman("push", "-q", PLAIN, name)
    assert repository.manifest("GET", "v1").json()["config"]["digest"] == f"sha256:{config}"
    podman("tag", source, target.name(copy, "v2"))
    podman("push", "-q", "--format", "v2s2", PLAIN, target.name(copy, "v2"))
    media_type = copy.manifest("GET", "v2").headers["Content-Type"]
    assert media_type == "application/vnd.docker.distribution.manifest.v2+json"
    header, *lines = podman("search", PLAIN, "--list-tags", target.name(repository)).splitlines()
    assert header.split() == ["NAME", "TAG"]
    assert [line.split()[-1] for line in lines] == remote_tags(repository) == ["v1"]

    (shell.home / "Containerfile").write_text(f"FROM {name}\nRUN echo built > /etc/built\n")
    built = target.name(repository, "built")
    podman("build", "-q", PLAIN, "--isolation", "chroot", "--network", "host", "-t", built, str(shell.home))
    podman("push", "-q", PLAIN, built)
    assert len(repository.manifest("GET", "built").json()["layers"]) == len(image.layers("amd64")) + 1

    podman("rmi", "-f", name, source, built, target.name(copy, "v2"))
    podman("pull", "-q", PLAIN, name)
    assert podman("image", "inspect", "--format", "{{.Id}}", name) == config
    inspected = json.loads(podman("image", "inspect", name))[0]
    assert inspected["Digest"] == remote_digest(repository, "v1")
