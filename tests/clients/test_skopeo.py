"""skopeo: the whole index at once, between registries and folders."""

from __future__ import annotations

import json

import pytest

from tests.clients.conftest import Shell, Target, assert_layout_equals, assert_whole, remote_digest, remote_tags
from tests.clients.image import Layout

pytestmark = pytest.mark.clients
PLAIN = ("--src-tls-verify=false", "--dest-tls-verify=false")


def log_in(shell: Shell, target: Target) -> None:
    shell.run("skopeo", "login", "--tls-verify=false", "-u", target.username, "--password-stdin", target.host,
              stdin=target.password)  # fmt: skip


def test_skopeo_pushes_lists_copies_pulls_and_deletes(shell: Shell, target: Target, image: Layout) -> None:
    """R3"""
    repository, copy = target.repository("skopeo"), target.repository("skopeo-copy")
    log_in(shell, target)
    first, second = f"docker://{target.name(repository, 'v1')}", f"docker://{target.name(copy, 'v2')}"

    shell.run("skopeo", "copy", "--all", *PLAIN, f"oci:{image.reference}", first)
    assert_whole(repository, "v1", image)
    listed = json.loads(shell.run("skopeo", "list-tags", "--tls-verify=false", f"docker://{target.name(repository)}"))
    assert listed["Tags"] == ["v1"]
    assert json.loads(shell.run("skopeo", "inspect", "--raw", "--tls-verify=false", first)) == image.document(
        image.digest
    )

    shell.run("skopeo", "copy", "--all", *PLAIN, first, second)
    assert_whole(copy, "v2", image)

    shell.run("skopeo", "copy", "--all", *PLAIN, second, f"oci:{shell.home}/out:v2")
    assert_layout_equals(shell.home / "out", image)

    shell.run("skopeo", "delete", "--tls-verify=false", first)
    assert repository.manifest("HEAD", "v1").status_code == 404
    assert remote_digest(copy, "v2") == image.digest


def test_skopeo_keeps_docker_schema_2(shell: Shell, target: Target, image: Layout) -> None:
    """R3"""
    repository = target.repository("skopeo-docker")
    log_in(shell, target)
    name = f"docker://{target.name(repository, 'docker')}"
    shell.run("skopeo", "copy", "--all", "--format", "v2s2", *PLAIN, f"oci:{image.reference}", name)
    answer = repository.manifest("GET", "docker")
    assert answer.headers["Content-Type"] == "application/vnd.docker.distribution.manifest.list.v2+json"
    for child in answer.json()["manifests"]:
        assert child["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
        manifest = repository.manifest("GET", child["digest"])
        assert manifest.headers["Content-Type"] == child["mediaType"]
        architecture = child["platform"]["architecture"]
        assert [layer["digest"] for layer in manifest.json()["layers"]] == image.layers(architecture)
    shell.run("skopeo", "copy", "--all", *PLAIN, name, f"dir:{shell.home}/out")
    assert (shell.home / "out" / "manifest.json").read_bytes() == answer.content
    for layer in image.layers("amd64"):
        assert (shell.home / "out" / layer.partition(":")[2]).stat().st_size == image.blob(layer).stat().st_size
    assert remote_tags(repository) == ["docker"]
