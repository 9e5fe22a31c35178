"""crane: layouts up and down, tags, copies, validation and deletion."""

from __future__ import annotations

import json

import pytest

from tests.clients.conftest import Shell, Target, assert_layout_equals, assert_whole, remote_digest, remote_tags
from tests.clients.image import Layout

pytestmark = pytest.mark.clients


def test_crane_pushes_tags_lists_copies_pulls_and_deletes(shell: Shell, target: Target, image: Layout) -> None:
    """R3"""
    repository, copy = target.repository("crane"), target.repository("crane-copy")
    name = target.name(repository, "v1")
    shell.run("crane", "auth", "login", target.host, "-u", target.username, "--password-stdin", stdin=target.password)

    shell.run("crane", "push", "--index", image.path, name)
    assert remote_tags(repository) == ["v1"]
    # crane wraps the layout's index.json, so that the image is the child of what it pushes.
    top = json.loads(shell.run("crane", "manifest", name))
    assert [child["digest"] for child in top["manifests"]] == [image.digest]
    assert_whole(repository, image.digest, image)

    shell.run("crane", "tag", f"{target.name(repository)}@{image.digest}", "v2")
    assert shell.run("crane", "digest", target.name(repository, "v2")).strip() == image.digest
    assert shell.run("crane", "ls", target.name(repository)).split() == ["v1", "v2"]

    shell.run("crane", "copy", target.name(repository, "v2"), target.name(copy, "v2"))
    assert_whole(copy, "v2", image)
    shell.run("crane", "validate", "--remote", target.name(copy, "v2"))

    shell.run("crane", "pull", "--format", "oci", target.name(copy, "v2"), shell.home / "out")
    assert_layout_equals(shell.home / "out", image)

    shell.run("crane", "delete", target.name(repository, "v1"))
    assert repository.manifest("HEAD", "v1").status_code == 404
    shell.run("crane", "delete", f"{target.name(copy)}@{image.digest}")
    assert copy.manifest("HEAD", "v2").status_code == 404
    assert remote_digest(repository, image.digest) == image.digest
