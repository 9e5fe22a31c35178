"""oras: images from a layout, artifacts with files, referrers, blobs and deletion."""

from __future__ import annotations

import hashlib
import json
import secrets

import pytest

from tests.clients.conftest import Shell, Target, assert_layout_equals, assert_whole, remote_digest
from tests.clients.image import Layout

pytestmark = pytest.mark.clients
PLAIN = "--plain-http"


def log_in(shell: Shell, target: Target) -> None:
    shell.run("oras", "login", PLAIN, "-u", target.username, "--password-stdin", target.host, stdin=target.password)


def test_oras_copies_an_image_in_and_out(shell: Shell, target: Target, image: Layout) -> None:
    """R3"""
    repository, copy = target.repository("oras"), target.repository("oras-copy")
    log_in(shell, target)
    name, second = target.name(repository, "v1"), target.name(copy, "v2")
    shell.run("oras", "cp", "--from-oci-layout", "--to-plain-http", image.reference, name)
    assert_whole(repository, "v1", image)
    assert shell.run("oras", "repo", "tags", PLAIN, target.name(repository)).split() == ["v1"]
    shell.run("oras", "tag", PLAIN, name, "stable")
    assert remote_digest(repository, "stable") == image.digest
    shell.run("oras", "cp", "--from-plain-http", "--to-plain-http", name, second)
    assert_whole(copy, "v2", image)
    shell.run("oras", "cp", "--from-plain-http", "--to-oci-layout", second, f"{shell.home}/out:v2")
    assert_layout_equals(shell.home / "out", image)
    shell.run("oras", "manifest", "delete", PLAIN, "--force", second)
    assert copy.manifest("HEAD", "v2").status_code == 404
    assert remote_digest(repository, "v1") == image.digest


def test_oras_pushes_attaches_discovers_and_pulls_artifacts(shell: Shell, target: Target) -> None:
    """R1, R3"""
    repository = target.repository("oras-artifact")
    log_in(shell, target)
    name, text = target.name(repository, "v1"), secrets.token_hex(5000)
    (shell.home / "note.txt").write_text(text)
    (shell.home / "sbom.json").write_text('{"sbom": true}')
    kind = "application/vnd.crs.note"
    shell.run("oras", "push", PLAIN, "--artifact-type", kind, name, "note.txt:text/plain")
    shell.run("oras", "attach", PLAIN, "--artifact-type", "application/vnd.crs.sbom", name, "sbom.json")
    found = json.loads(shell.run("oras", "discover", PLAIN, "--format", "json", name))
    referrers = found.get("referrers", found.get("manifests"))
    assert [referrer["artifactType"] for referrer in referrers] == ["application/vnd.crs.sbom"]
    shell.run("oras", "pull", PLAIN, "--output", shell.home / "out", name)
    assert (shell.home / "out" / "note.txt").read_text() == text
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    shell.run("oras", "blob", "fetch", PLAIN, "--output", shell.home / "blob", f"{target.name(repository)}@{digest}")
    assert (shell.home / "blob").read_text() == text
    shell.run("oras", "manifest", "delete", PLAIN, "--force", name)
    assert repository.manifest("HEAD", "v1").status_code == 404
