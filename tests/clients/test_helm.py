"""helm: a chart as an OCI artifact."""

from __future__ import annotations

import hashlib

import pytest

from tests.clients.conftest import Shell, Target, remote_digest, remote_tags
from tests.conformance.client import Repository

pytestmark = pytest.mark.clients


def test_helm_pushes_shows_and_pulls_a_chart(shell: Shell, target: Target) -> None:
    """R3"""
    chart = target.repository("chart").name.rpartition("/")[2]
    repository = Repository(target.registry, f"library/{chart}")
    shell.run("helm", "registry", "login", "--plain-http", "-u", target.username, "--password-stdin", target.host,
              stdin=target.password)  # fmt: skip
    shell.run("helm", "create", chart)
    for version in ("0.1.0", "0.2.0+build.7"):
        shell.run("helm", "package", chart, "--version", version)
        shell.run("helm", "push", f"{chart}-{version}.tgz", f"oci://{target.host}/library", "--plain-http")
    # A tag holds no "+": helm writes "_" and reads it back.
    assert remote_tags(repository) == ["0.1.0", "0.2.0_build.7"]
    assert remote_digest(repository, "0.1.0").startswith("sha256:")

    name = f"oci://{target.name(repository)}"
    assert f"name: {chart}" in shell.run("helm", "show", "chart", name, "--plain-http", "--version", "0.1.0")
    (shell.home / "out").mkdir()
    shell.run("helm", "pull", name, "--plain-http", "--version", "0.2.0+build.7", "--destination", shell.home / "out")
    pulled = (shell.home / "out" / f"{chart}-0.2.0+build.7.tgz").read_bytes()
    assert pulled == (shell.home / f"{chart}-0.2.0+build.7.tgz").read_bytes()
    layer = repository.manifest("GET", "0.2.0_build.7").json()["layers"][0]
    assert layer["digest"] == f"sha256:{hashlib.sha256(pulled).hexdigest()}"
    # helm asks for the tag list when no version is named, and takes the highest.
    assert "version: 0.2.0+build.7" in shell.run("helm", "show", "chart", name, "--plain-http")
    shell.run("helm", "registry", "logout", target.host)
