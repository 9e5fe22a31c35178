"""docker's own client and daemon."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from tests.clients.conftest import Shell, Target, remote_digest, remote_tags
from tests.clients.daemons import dockerd
from tests.clients.image import Layout
from tests.conformance.client import Repository

pytestmark = pytest.mark.clients


def test_docker_logs_in_pulls_pushes_and_builds(
    shell: Shell, target: Target, image: Layout, pushed: Repository
) -> None:
    """R3"""
    repository, copy = target.repository("docker"), target.repository("docker-copy")
    source, name = target.foreign_name(pushed, "v1"), target.name(repository, "v1")
    config = image.config_digest("amd64")
    with dockerd(shell, target.host) as address:

        def docker(*arguments: str, stdin: str | None = None) -> str:
            return shell.run("docker", "--host", address, *arguments, stdin=stdin).strip()

        for host in (target.host, target.other_host):
            docker("login", "-u", target.username, "--password-stdin", host, stdin=target.password)
        docker("pull", "-q", source)
        assert docker("image", "inspect", "--format", "{{.Id}}", source) == config

        # Pulled under another host name, so that the first push sends all bytes.
        docker("tag", source, name)
        docker("push", "-q", name)
        first = repository.manifest("GET", "v1").json()
        assert first["config"]["digest"] == config
        assert len(first["layers"]) == len(image.layers("amd64"))
        # The second repository gets its layers by mount: docker remembers where it saw them.
        docker("tag", name, target.name(copy, "v2"))
        docker("push", "-q", target.name(copy, "v2"))
        assert copy.manifest("GET", "v2").json()["layers"] == first["layers"]
        assert remote_tags(copy) == ["v2"]

        (shell.home / "context").mkdir()
        (shell.home / "context" / "Dockerfile").write_text(f"FROM {name}\nCOPY Dockerfile /etc/built\n")
        docker("build", "-q", "-t", target.name(repository, "built"), str(shell.home / "context"))
        docker("push", "-q", "--all-tags", target.name(repository))
        assert sorted(remote_tags(repository)) == ["built", "v1"]

        docker("image", "rm", "-f", source, name, target.name(copy, "v2"), target.name(repository, "built"))
        docker("pull", "-q", name)
        assert docker("image", "inspect", "--format", "{{.Id}}", name) == config
        digests = json.loads(docker("image", "inspect", "--format", "{{json .RepoDigests}}", name))
        assert digests == [f"{target.name(repository)}@{remote_digest(repository, 'v1')}"]
        docker("save", "-o", str(shell.home / "saved.tar"), name)
        assert saved_layers(shell.home / "saved.tar") == set(image.document(config)["rootfs"]["diff_ids"])
        docker("logout", target.host)


def saved_layers(archive: Path) -> set[str]:
    """Digests of the layers in what `docker save` wrote."""
    found = set()
    with tarfile.open(archive) as members:
        for member in members:
            if member.name.endswith("/layer.tar") and (layer := members.extractfile(member)) is not None:
                found.add(f"sha256:{hashlib.file_digest(layer, 'sha256').hexdigest()}")  # type: ignore[arg-type]
    return found
