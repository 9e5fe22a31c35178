"""What a manifest PUT refuses, several tags at once, and the service itself when empty."""

from __future__ import annotations

import json
import secrets

import httpx
import pytest

from tests.conformance.client import Registry, error_code
from tests.conformance.content import OCI_IMAGE, OCI_INDEX, Content, descriptor, digest_of

LIMIT_BYTES = 4 * 1024 * 1024


def test_version_check_answers(registry: Registry) -> None:
    """R1"""
    assert registry.http.get("/v2/").status_code == 200


def test_unused_repository_lists_nothing(registry: Registry) -> None:
    """R1"""
    answer = registry.repository().tags()
    assert answer.status_code in {200, 404}
    if answer.status_code == 200:
        assert not answer.json()["tags"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_nothing_refers_to_what_nobody_pushed(registry: Registry, algorithm: str) -> None:
    """R1: an empty index, never 404, in a repository that nobody used as well."""
    answer = registry.repository().referrers(digest_of(secrets.token_bytes(8), algorithm))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == OCI_INDEX
    assert answer.json() == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}


def test_manifest_nobody_pushed_is_unknown(registry: Registry) -> None:
    """R1, R5"""
    repository = registry.repository()
    repository.push_blob(b"{}")
    for reference in ("missing-tag", digest_of(secrets.token_bytes(8))):
        answer = repository.manifest("GET", reference)
        assert (answer.status_code, error_code(answer)) == (404, "MANIFEST_UNKNOWN")
        assert repository.manifest("HEAD", reference).status_code == 404


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_manifest_that_misses_its_digest_is_refused(registry: Registry, algorithm: str) -> None:
    """R1, R5"""
    repository, content = registry.repository(), Content(algorithm=algorithm)
    image = content.image()
    for body in content.blobs.values():
        repository.push_blob(body, algorithm)
    answer = repository.put_body(image.body + b"  ", image.digest, image.media_type)
    assert (answer.status_code, error_code(answer)) == (400, "DIGEST_INVALID")
    assert repository.manifest("HEAD", image.digest).status_code == 404


def test_malformed_digest_as_reference_is_refused(registry: Registry) -> None:
    """R1, R5"""
    repository, content = registry.repository(), Content()
    image = content.image()
    for body in content.blobs.values():
        repository.push_blob(body)
    answer = repository.put_manifest(image, "sha256:baddigeststring")
    assert (answer.status_code, error_code(answer)) == (400, "DIGEST_INVALID")
    assert repository.manifest("GET", "sha256:baddigeststring").status_code in {400, 404}


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"schemaVersion":2', b"\xff\xfe"])
def test_body_that_is_no_manifest_is_refused(registry: Registry, body: bytes) -> None:
    """R1, R5"""
    repository = registry.repository()
    repository.push_blob(b"{}")
    answer = repository.put_body(body, "bad", OCI_IMAGE)
    assert (answer.status_code, error_code(answer)) == (400, "MANIFEST_INVALID")


def test_body_that_contradicts_its_content_type_is_refused(registry: Registry) -> None:
    """R1, R5: one body must not pass as an image here and as an index there."""
    repository, content = registry.repository(), Content()
    image = content.image()
    for body in content.blobs.values():
        repository.push_blob(body)
    answer = repository.put_body(image.body, "bad", OCI_INDEX)
    assert (answer.status_code, error_code(answer)) == (400, "MANIFEST_INVALID")


def test_image_with_unknown_blobs_names_them(registry: Registry) -> None:
    """R1, R5"""
    repository, content = registry.repository(), Content()
    image = content.image("never")
    repository.push_blob(b"{}")
    answer = repository.put_manifest(image, "never")
    assert (answer.status_code, error_code(answer)) in {(400, "MANIFEST_BLOB_UNKNOWN"), (404, "MANIFEST_BLOB_UNKNOWN")}
    assert repository.manifest("HEAD", "never").status_code == 404


def padded_index(size: int) -> bytes:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": {"filler": ""}}
    empty = json.dumps(document).encode()
    document["annotations"] = {"filler": "A" * (size - len(empty))}
    body = json.dumps(document).encode()
    assert len(body) == size
    return body


def test_manifest_of_exactly_four_mebibytes_is_taken(registry: Registry) -> None:
    """R1"""
    repository, body = registry.repository(), padded_index(LIMIT_BYTES)
    assert repository.put_body(body, "largest", OCI_INDEX).status_code == 201
    assert repository.manifest("GET", "largest").content == body


def test_manifest_above_the_limit_is_refused(registry: Registry) -> None:
    """R1, R5"""
    repository = registry.repository()
    try:
        answer = repository.put_body(padded_index(LIMIT_BYTES + 1), "too-large", OCI_INDEX)
    except (httpx.WriteError, httpx.RemoteProtocolError):
        pytest.fail("the connection ended without an answer")
    assert (answer.status_code, error_code(answer)) == (413, "SIZE_INVALID")
    assert repository.manifest("HEAD", "too-large").status_code == 404


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("count", [1, 2, 10])
def test_one_put_by_digest_sets_several_tags(registry: Registry, algorithm: str, count: int) -> None:
    """R1"""
    repository, content = registry.repository(), Content(algorithm=algorithm)
    image = content.image()
    for body in content.blobs.values():
        repository.push_blob(body, algorithm)
    tags = tuple(f"v{number}" for number in range(count))
    answer = repository.put_manifest(image, image.digest, tags)
    assert answer.status_code == 201, answer.text
    named = [tag.strip() for line in answer.headers.get_list("OCI-Tag") for tag in line.split(",")]
    assert sorted(named) == sorted(tags)
    for tag in tags:
        found = repository.manifest("GET", tag)
        assert (found.content, found.headers["Docker-Content-Digest"]) == (image.body, image.digest)


@pytest.mark.parametrize("count", [50, 500])
def test_too_many_tags_at_once_are_refused(registry: Registry, count: int) -> None:
    """R1"""
    repository = registry.repository()
    content = Content()
    index = content.index([], annotations={"n": secrets.token_hex(8)})
    answer = repository.put_manifest(index, index.digest, tuple(f"v{number}" for number in range(count)))
    assert answer.status_code == 414
    assert repository.manifest("HEAD", "v0").status_code == 404


def test_tag_moves_and_the_old_digest_stays(registry: Registry) -> None:
    """R1, R7"""
    repository, content = registry.repository(), Content()
    first, second = content.image(), content.image()
    repository.push(content)
    assert repository.put_manifest(first, "moving").status_code == 201
    assert repository.put_manifest(second, "moving").status_code == 201
    assert repository.manifest("GET", "moving").content == second.body
    assert repository.manifest("GET", first.digest).content == first.body


def test_deleting_one_tag_leaves_its_siblings(registry: Registry) -> None:
    """N5"""
    repository, content = registry.repository(), Content()
    image = content.image("one")
    content.tags["two"] = image.digest
    repository.push(content)
    assert repository.manifest("DELETE", "one").status_code == 202
    assert repository.manifest("GET", "two").content == image.body
    assert repository.tags().json()["tags"] == ["two"]


def test_deleting_a_manifest_takes_its_tags_along(registry: Registry) -> None:
    """R7"""
    repository, content = registry.repository(), Content()
    image = content.image("one")
    repository.push(content)
    assert repository.manifest("DELETE", image.digest).status_code == 202
    assert repository.manifest("HEAD", "one").status_code == 404
    assert repository.manifest("DELETE", image.digest).status_code == 404


def test_manifest_that_an_index_holds_is_not_deleted(registry: Registry) -> None:
    """R7"""
    repository, content = registry.repository(), Content()
    content.platforms("index")
    repository.push(content)
    child = content.manifests[0]
    answer = repository.manifest("DELETE", child.digest)
    assert 400 <= answer.status_code < 500, answer.text
    assert repository.manifest("GET", child.digest).content == child.body


@pytest.mark.parametrize("tag", ["-leading", ".leading", "t" * 129, "sp ace"])
def test_malformed_tag_is_refused(registry: Registry, tag: str) -> None:
    """R1, R5"""
    repository = registry.repository()
    answer = repository.put_body(padded_index(300), tag, OCI_INDEX)
    assert answer.status_code in {400, 404}


@pytest.mark.parametrize("name", ["library/UPPER", "library/a..b", "library/-a", "library/" + "a" * 300])
def test_malformed_name_is_refused(registry: Registry, name: str) -> None:
    """R1, R5"""
    answer = registry.http.get(f"/v2/{name}/tags/list")
    assert answer.status_code in {400, 404}
    assert error_code(answer) in {"NAME_INVALID", "NAME_UNKNOWN"}


def test_subject_of_an_image_may_be_missing_and_arrive_later(registry: Registry) -> None:
    """R1"""
    repository, subject_content, content = registry.repository(), Content(), Content()
    subject = subject_content.image("late")
    about = content.artifact(subject=subject.described())
    repository.push(content)
    repository.push(subject_content)
    assert [found["digest"] for found in repository.referrers(subject.digest).json()["manifests"]] == [about.digest]


def test_subject_that_is_no_descriptor_is_refused(registry: Registry) -> None:
    """R1, R5"""
    repository, content = registry.repository(), Content()
    wrong = {**descriptor(OCI_IMAGE, b"x"), "digest": "sha256:short"}
    about = content.artifact(subject=wrong)
    for body in content.blobs.values():
        repository.push_blob(body)
    answer = repository.put_manifest(about, "bad")
    assert answer.status_code == 400
    assert error_code(answer) in {"MANIFEST_INVALID", "DIGEST_INVALID"}
