"""N6: one manifest in detail through the API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.kernel import media
from chalicelib.kernel.names import Digest
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from chalicelib.registry.annotation import CONFIG_LIMIT_BYTES

from .images import descriptor, push_manifest
from .library import CONFIG, Library


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


def detail(library: Library, digest: str) -> dict[str, Any]:
    answer = library.api(Role.READER).get(library.path(f"/manifests/{digest}"))
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_image_shows_its_layers_with_the_commands_that_made_them(library: Library) -> None:
    """N6: steps that made no layer are passed over."""
    found = detail(library, library.push("v1", "v2"))
    assert [(layer["size"], layer["command"]) for layer in found["layers"]] == [(3, "COPY app /bin"), (3, "RUN setup")]
    assert [layer["digest"] for layer in found["layers"]] == [Digest.of(b"one"), Digest.of(b"two")]
    assert found["tags"] == ["v1", "v2"]
    assert found["more_tags"] is False
    assert found["platforms"] == ["linux/amd64"]
    assert found["config_digest"] == Digest.of(json.dumps(CONFIG).encode())


def test_the_config_says_how_a_container_starts(library: Library) -> None:
    """N6"""
    found = detail(library, library.push("v1"))
    assert found["config_state"] == "shown"
    assert found["config"] == {
        "os": "linux",
        "architecture": "amd64",
        "variant": "",
        "created": "2025-12-01T10:00:00.123456Z",
        "author": "",
        "user": "nobody",
        "working_dir": "/srv",
        "entrypoint": ["/bin/app"],
        "cmd": ["serve"],
        "env": ["PATH=/bin"],
        "labels": {"maintainer": "somebody"},
        "exposed_ports": ["8080/tcp"],
        "volumes": [],
    }


def test_commands_that_match_no_layers_are_not_guessed(library: Library) -> None:
    """N6: squashed images keep the history of layers they no longer have."""
    found = detail(library, library.push("v1", layers=(b"squashed",)))
    assert [layer["command"] for layer in found["layers"]] == [""]


def test_an_index_shows_its_platforms_and_which_of_them_are_here(library: Library) -> None:
    """N6"""
    amd = library.push(layers=(b"a" * 1000,))
    arm = library.push(layers=(b"b" * 2000,), architecture="arm64", variant="v8")
    found = detail(library, library.push_index((amd, "linux/amd64"), (arm, "linux/arm64/v8"), tag="multi"))
    assert [(child["digest"], child["platform"]) for child in found["children"]] == [
        (amd, "linux/amd64"),
        (arm, "linux/arm64/v8"),
    ]
    assert all(child["present"] and child["content_size"] > 1000 for child in found["children"])
    assert (found["config"], found["config_state"], found["layers"]) == (None, "none", [])
    assert found["size"] > 3000 > found["manifest_size"]


def test_signatures_and_sboms_are_listed_with_what_they_refer_to(library: Library) -> None:
    """N6"""
    subject = library.push("v1")
    body = library.registry.pull(library.owner, library.repository().name, subject).body
    refers: dict[str, Any] = {"subject": descriptor(body, media.OCI_MANIFEST), "annotations": {"by": "somebody"}}
    signature = library.push_with(b"{}", layers=(b"sig",), artifactType="application/vnd.sig", **refers)
    long: dict[str, Any] = {"subject": refers["subject"], "annotations": {"long": "x" * 17000}}
    sbom = library.push_with(b"{}", layers=(b"sbom",), artifactType="application/vnd.sbom", **long)
    found = detail(library, subject)
    by_type = {one["artifact_type"]: one for one in found["referrers"]}
    assert by_type["application/vnd.sig"]["digest"] == signature
    assert by_type["application/vnd.sig"]["annotations"] == {"by": "somebody"}
    assert by_type["application/vnd.sbom"]["digest"] == sbom
    assert len(by_type["application/vnd.sbom"]["annotations"]["long"]) == 17000
    assert detail(library, signature)["subject"] == subject


STRANGE = [
    b"",
    b"no json",
    b"[1]",
    b'{"config": 7, "history": "x", "os": ["linux"], "created": 5}',
    b'{"history": [1, {"created_by": {}}, {"created_by": 3}], "config": {"Env": "A=B", "Labels": [], "Cmd": [1]}}',
    b'{"architecture": "\\ud800", "config": {"Env": ["\\udfff"], "Labels": {"\\ud800": "x", "y": 1}}}',
    b'{"created": "9999-12-31T23:59:59-12:00", "author": null}',
    b'{"created": "yesterday"}',
    b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"a": ' + b"9" * 10_000 + b"}",
]


@pytest.mark.parametrize("config", STRANGE, ids=range(len(STRANGE)))
def test_whatever_a_config_holds_the_rest_is_shown(library: Library, config: bytes) -> None:
    """N6: configs are written by strangers."""
    found = detail(library, library.push_with(config, "v1"))
    assert [layer["size"] for layer in found["layers"]] == [3, 3]
    assert found["config_state"] in ("shown", "malformed")


def test_a_config_without_measure_is_not_read(library: Library) -> None:
    """N6: bounded work."""
    found = detail(library, library.push_with(b"{" + b" " * CONFIG_LIMIT_BYTES + b"}", "v1"))
    assert (found["config"], found["config_state"]) == (None, "missing")


def test_a_manifest_too_large_for_its_row_is_shown_like_others(library: Library) -> None:
    found = detail(library, library.push_with(json.dumps(CONFIG).encode(), "v1", annotations={"long": "x" * 20000}))
    assert found["annotations"]["long"] == "x" * 20000
    assert found["config_state"] == "shown"


def test_an_artifact_without_a_config_of_images_shows_none(library: Library) -> None:
    found = detail(library, library.push_with(b"{}", "v1", config_type=media.HELM_CONFIG))
    assert (found["kind"], found["config_state"], found["platforms"]) == ("chart", "none", [])


def test_an_index_may_name_what_is_not_here(stack: Stack) -> None:
    """N1, N6: sparse indexes."""
    library = Library.opened(stack, allow_sparse_indexes=True)
    child = {**descriptor(b"{}", media.OCI_MANIFEST), "annotations": {"a": "b"}}
    body = json.dumps({"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": [child]}).encode()
    pushed = push_manifest(library.registry, library.owner, body, "v1")
    (shown,) = detail(library, pushed.digest)["children"]
    assert (shown["present"], shown["content_size"], shown["annotations"]) == (False, None, {"a": "b"})


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "latest", "sha256:abc", "%00"])
def test_a_manifest_that_is_missing_or_none_at_all_answers_alike(library: Library, digest: str) -> None:
    library.push("v1")
    answer = library.api().get(library.path(f"/manifests/{digest}"))
    assert (answer.status, answer.json()["detail"]) == (404, "there is no such manifest")


def test_a_deleted_manifest_is_missing(library: Library) -> None:
    digest = library.push("v1")
    library.registry.delete(library.owner, library.repository().name, digest)
    assert library.api().get(library.path(f"/manifests/{digest}")).status == 404
