"""umoci, which reads layouts alone: skopeo brings the image, umoci unpacks it and adds a tag that skopeo pushes."""

from __future__ import annotations

import pytest

from tests.clients.conftest import Shell, Target, file_sha256, remote_digest
from tests.clients.image import LARGE_FILE, Layout
from tests.conformance.client import Repository

pytestmark = pytest.mark.clients


def test_umoci_unpacks_what_was_pulled(shell: Shell, target: Target, image: Layout, pushed: Repository) -> None:
    """R3"""
    login = f"{target.username}:{target.password}"
    out, repository = shell.home / "out", target.repository("umoci")
    shell.run("skopeo", "copy", "--src-tls-verify=false", "--src-creds", login, f"docker://{target.name(pushed, 'v1')}",
              f"oci:{out}:v1")  # fmt: skip
    shell.run("umoci", "unpack", "--image", f"{out}:v1", shell.home / "bundle")
    assert file_sha256(shell.home / "bundle" / "rootfs" / LARGE_FILE) == image.large_file_sha256
    shell.run("umoci", "config", "--image", f"{out}:v1", "--tag", "v2", "--config.label", "org.crs.test=2")
    shell.run("skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", login, f"oci:{out}:v2",
              f"docker://{target.name(repository, 'v2')}")  # fmt: skip
    layers = repository.manifest("GET", "v2").json()["layers"]
    assert [layer["digest"] for layer in layers] == image.layers("amd64")
    assert remote_digest(repository, "v2") != image.images["amd64"]
