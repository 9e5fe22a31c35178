"""Reading blobs, whole and in part, and deleting them."""

from __future__ import annotations

import secrets

import pytest

from tests.conformance.client import Registry, error_code
from tests.conformance.content import Content, digest_of

SIZE = 2048


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("500-1499", 500, 1499), ("500-", 500, 2047), ("-500", 1548, 2047), ("2000-5000", 2000, 2047), ("0-0", 0, 0)],
)
def test_range_of_a_blob_is_served(registry: Registry, algorithm: str, asked: str, first: int, last: int) -> None:
    """R1, R4"""
    repository, body = registry.repository(), secrets.token_bytes(SIZE)
    digest = repository.push_blob(body, algorithm)
    part = repository.blob("GET", digest, headers={"Range": f"bytes={asked}"})
    assert part.status_code == 206
    assert part.content == body[first : last + 1]
    assert part.headers["Content-Length"] == str(last - first + 1)
    assert part.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"


@pytest.mark.parametrize("asked", ["500-0", "5000-10000"])
def test_range_that_cannot_be_served_is_refused(registry: Registry, asked: str) -> None:
    """R1"""
    repository = registry.repository()
    digest = repository.push_blob(secrets.token_bytes(SIZE))
    assert repository.blob("GET", digest, headers={"Range": f"bytes={asked}"}).status_code == 416


def test_blob_nobody_pushed_is_unknown(registry: Registry) -> None:
    """R1, R5"""
    repository = registry.repository()
    repository.push_blob(b"{}")
    answer = repository.blob("GET", digest_of(secrets.token_bytes(9)))
    assert (answer.status_code, error_code(answer)) == (404, "BLOB_UNKNOWN")
    assert repository.blob("HEAD", digest_of(secrets.token_bytes(9))).status_code == 404


def test_blob_of_another_repository_is_unknown(registry: Registry) -> None:
    """R1: a digest grants nothing without a link in the repository."""
    mine, other = registry.repository(), registry.repository()
    digest = other.push_blob(secrets.token_bytes(64))
    mine.push_blob(b"{}")
    assert mine.blob("GET", digest).status_code == 404


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [0, 512])
def test_deleted_blob_is_gone_at_once_and_can_come_back(registry: Registry, algorithm: str, size: int) -> None:
    """R1"""
    repository, body = registry.repository(), secrets.token_bytes(size)
    digest = repository.push_blob(body, algorithm)
    assert repository.blob("DELETE", digest).status_code == 202
    assert repository.blob("HEAD", digest).status_code == 404
    assert repository.blob("GET", digest).status_code == 404
    repository.push_blob(body, algorithm)
    assert repository.blob("GET", digest).content == body


def test_blob_that_an_image_needs_is_not_deleted(registry: Registry) -> None:
    """R7"""
    repository, content = registry.repository(), Content()
    content.image("kept")
    repository.push(content)
    for digest, body in content.blobs.items():
        answer = repository.blob("DELETE", digest)
        assert 400 <= answer.status_code < 500, answer.text
        assert repository.blob("GET", digest).content == body
