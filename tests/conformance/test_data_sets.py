"""Every shape of content goes up, is listed, comes down byte for byte, and goes away again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.client import Registry, Repository
from tests.conformance.content import DATA_SETS, OCI_INDEX, Content, Manifest, sparse_image, sparse_index


def push_whole(repository: Repository, content: Content) -> None:
    """Blobs, manifests by digest, then tags; each answer names what it stored and where."""
    for digest, body in content.blobs.items():
        repository.push_blob(body, digest.partition(":")[0])
    for manifest in content.manifests:
        assert_put(repository, manifest, manifest.digest)
    by_digest = {manifest.digest: manifest for manifest in content.manifests}
    for tag, digest in content.tags.items():
        assert_put(repository, by_digest[digest], tag)


def assert_put(repository: Repository, manifest: Manifest, reference: str) -> None:
    answer = repository.put_manifest(manifest, reference)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Docker-Content-Digest"] == manifest.digest
    subject = manifest.document.get("subject")
    assert answer.headers.get("OCI-Subject") == (subject["digest"] if subject else None)
    stored = repository.http.get(answer.headers["Location"], headers={"Accept": manifest.media_type})
    assert (stored.status_code, stored.content) == (200, manifest.body)


def assert_pulls(repository: Repository, content: Content) -> None:
    by_digest = {manifest.digest: manifest for manifest in content.manifests}
    for reference, digest in [*content.tags.items(), *((digest, digest) for digest in by_digest)]:
        manifest = by_digest[digest]
        for method, body in (("HEAD", b""), ("GET", manifest.body)):
            answer = repository.manifest(method, reference)
            assert (answer.status_code, answer.content) == (200, body)
            assert answer.headers["Content-Type"] == manifest.media_type
            assert answer.headers["Content-Length"] == str(len(manifest.body))
            assert answer.headers["Docker-Content-Digest"] == digest
    for digest, body in content.blobs.items():
        assert repository.blob("GET", digest).content == body


def assert_referrers(repository: Repository, content: Content) -> None:
    for subject, manifests in content.referrers().items():
        expected = {manifest.digest: manifest.as_referrer() for manifest in manifests}
        assert listed(repository, subject) == expected
        for kind in {found["artifactType"] for found in expected.values()}:
            of_kind = {digest: found for digest, found in expected.items() if found["artifactType"] == kind}
            assert listed(repository, subject, artifactType=kind) == of_kind


def listed(repository: Repository, subject: str, **query: str) -> dict[str, dict[str, object]]:
    answer = repository.referrers(subject, **query)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == OCI_INDEX
    if query:
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    return {found["digest"]: found for found in answer.json()["manifests"]}


def assert_deletes(repository: Repository, content: Content) -> None:
    """Tags, manifests from the top down, blobs: each gone at once, and tags take no manifest with them."""
    for tag, digest in content.tags.items():
        assert repository.manifest("DELETE", tag).status_code == 202
        assert repository.manifest("HEAD", tag).status_code == 404
        assert repository.manifest("HEAD", digest).status_code == 200
    for manifest in reversed(content.manifests):
        # Referrers die with their subject, so a later one may be gone already.
        assert repository.manifest("DELETE", manifest.digest).status_code in {202, 404}
        assert repository.manifest("HEAD", manifest.digest).status_code == 404
    for digest in content.blobs:
        assert repository.blob("DELETE", digest).status_code == 202
        assert repository.blob("HEAD", digest).status_code == 404


def assert_round_trip(repository: Repository, content: Content) -> None:
    push_whole(repository, content)
    assert set(repository.tags().json()["tags"] or []) == set(content.tags)
    assert_pulls(repository, content)
    assert_referrers(repository, content)
    assert_deletes(repository, content)


@pytest.mark.parametrize("make", DATA_SETS.values(), ids=DATA_SETS.keys())
def test_content_goes_up_and_comes_down_whole(registry: Registry, make: Callable[[], Content]) -> None:
    """R1, R3, N5"""
    assert_round_trip(registry.repository(), make())


@pytest.mark.parametrize("make", [sparse_image, sparse_index])
def test_sparse_content_is_taken_where_the_namespace_allows_it(registry: Registry, make: Callable[[], Content]) -> None:
    """R1, N1"""
    if registry.sparse_namespace is None:
        pytest.skip("the registry under test has no namespace that allows sparse indexes")
    assert_round_trip(registry.sparse_repository(), make())


@pytest.mark.parametrize("make", [sparse_image, sparse_index])
def test_sparse_content_is_refused_elsewhere(registry: Registry, make: Callable[[], Content]) -> None:
    """R1, R5, N1"""
    repository, content = registry.repository(), make()
    for digest, body in content.blobs.items():
        repository.push_blob(body, digest.partition(":")[0])
    for manifest in content.manifests[:-1]:
        assert_put(repository, manifest, manifest.digest)
    answer = repository.put_manifest(content.manifests[-1], "sparse")
    codes = {error["code"] for error in answer.json()["errors"]}
    assert answer.status_code in {400, 404}
    assert codes & {"MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN"}
    assert repository.manifest("HEAD", "sparse").status_code == 404
