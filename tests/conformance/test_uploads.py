"""Ways of sending a blob: in one request, in two, in chunks, as a stream, by mount; and ways of getting it wrong."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import httpx
import pytest

from tests.conformance.client import Registry, Repository, error_code
from tests.conformance.content import digest_of

Sender = Callable[[Repository, str, bytes], httpx.Response]
ALGORITHMS = ("sha256", "sha512")
SENT_IN_FULL = 3  # chunks


def assert_stored(repository: Repository, answer: httpx.Response, digest: str, body: bytes) -> None:
    """201, the digest named, and the exact bytes behind Location."""
    assert answer.status_code == 201, answer.text
    assert answer.headers["Docker-Content-Digest"] == digest
    assert repository.http.get(answer.headers["Location"]).content == body
    head = repository.blob("HEAD", digest)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(body))
    assert head.headers["Docker-Content-Digest"] == digest
    fetched = repository.blob("GET", digest)
    assert fetched.content == body
    assert fetched.headers["Docker-Content-Digest"] == digest


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_blob_is_stored_by_one_post(registry: Registry, algorithm: str) -> None:
    """R1"""
    repository, body = registry.repository(), secrets.token_bytes(512)
    digest = digest_of(body, algorithm)
    assert_stored(repository, repository.post(body, {"digest": digest}), digest, body)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("body", [secrets.token_bytes(512), b"", b"{}"], ids=["random", "empty", "empty json"])
def test_blob_is_stored_by_post_and_put(registry: Registry, algorithm: str, body: bytes) -> None:
    """R1"""
    repository = registry.repository()
    digest = digest_of(body, algorithm)
    assert_stored(repository, repository.finish(repository.begin().location, digest, body), digest, body)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_algorithm_may_be_named_when_the_upload_begins(registry: Registry, algorithm: str) -> None:
    """R1"""
    repository, body = registry.repository(), secrets.token_bytes(4096)
    session = repository.begin({"digest-algorithm": algorithm})
    location = repository.patch(session.location, body, 0).headers["Location"]
    digest = digest_of(body, algorithm)
    assert_stored(repository, repository.finish(location, digest), digest, body)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("last_by_put", [False, True], ids=["empty put", "last chunk in put"])
@pytest.mark.parametrize("chunks", [1, SENT_IN_FULL])
def test_blob_is_stored_in_chunks(registry: Registry, algorithm: str, last_by_put: bool, chunks: int) -> None:
    """R1, R4"""
    repository = registry.repository()
    session = repository.begin()
    body = secrets.token_bytes(session.chunk_bytes * chunks - 5)
    digest, location, start = digest_of(body, algorithm), session.location, 0
    while start < len(body):
        chunk = body[start : start + session.chunk_bytes]
        if last_by_put and start + len(chunk) == len(body):
            assert_stored(repository, repository.finish(location, digest, chunk, start), digest, body)
            return
        answer = repository.patch(location, chunk, start)
        assert answer.status_code == 202, answer.text
        start += len(chunk)
        assert answer.headers["Range"] == f"0-{start - 1}"
        location = answer.headers["Location"]
    assert_stored(repository, repository.finish(location, digest), digest, body)


def assert_refused_but_alive(repository: Repository, answer: httpx.Response, location: str, received: int) -> str:
    """416, and the session still says what it holds. Returns where it goes on."""
    assert answer.status_code == 416, answer.text
    state = repository.http.get(location)
    assert state.status_code == 204
    assert state.headers["Range"] in ({f"0-{received - 1}"} if received else {"0-0", "0--1"})
    return str(state.headers["Location"])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("last_by_put", [False, True], ids=["patch", "put"])
def test_chunk_out_of_order_is_refused_and_the_upload_goes_on(
    registry: Registry, algorithm: str, last_by_put: bool
) -> None:
    """R1, R4"""
    repository = registry.repository()
    session = repository.begin()
    size, location = session.chunk_bytes, session.location
    body = secrets.token_bytes(size * SENT_IN_FULL - 5)
    digest = digest_of(body, algorithm)
    for start in range(0, len(body), size):
        ahead = start + size if start + size < len(body) else 0
        wrong, is_last = body[ahead : ahead + size], ahead + size >= len(body)
        if last_by_put and is_last:
            answer = repository.finish(location, digest, wrong, ahead)
        else:
            answer = repository.patch(location, wrong, ahead)
        location = assert_refused_but_alive(repository, answer, location, start)
        if last_by_put and start + size >= len(body):
            assert_stored(repository, repository.finish(location, digest, body[start:], start), digest, body)
            return
        answer = repository.patch(location, body[start : start + size], start)
        assert answer.status_code == 202, answer.text
        location = answer.headers["Location"]
    assert_stored(repository, repository.finish(location, digest), digest, body)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_blob_is_stored_as_a_stream_without_content_range(registry: Registry, algorithm: str) -> None:
    """R1: docker sends every layer so."""
    repository, body = registry.repository(), secrets.token_bytes(512)
    answer = repository.patch(repository.begin().location, body)
    assert answer.status_code == 202, answer.text
    digest = digest_of(body, algorithm)
    assert_stored(repository, repository.finish(answer.headers["Location"], digest), digest, body)


def test_stream_of_unknown_length_is_stored(registry: Registry) -> None:
    """R1, R4: chunked transfer encoding, no Content-Length at all."""
    repository, body = registry.repository(), secrets.token_bytes(200_000)
    location = repository.begin().location
    pieces = (body[start : start + 7000] for start in range(0, len(body), 7000))
    headers = {"Content-Type": "application/octet-stream"}
    # A generator can be read once, so the first request must carry its credentials already.
    token = repository.http.get(location).request.headers.get("Authorization")
    answer = httpx.patch(
        httpx.URL(registry.base_url).join(location), content=pieces, timeout=60, trust_env=False,
        headers={**headers, "Authorization": token} if token else headers,
    )  # fmt: skip
    assert answer.status_code == 202, answer.text
    digest = digest_of(body)
    assert_stored(repository, repository.finish(answer.headers["Location"], digest), digest, body)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_blob_is_mounted_from_a_named_repository(registry: Registry, algorithm: str) -> None:
    """R1"""
    source, target, body = registry.repository(), registry.repository(), secrets.token_bytes(512)
    digest = source.push_blob(body, algorithm)
    assert_stored(target, target.post(query={"mount": digest, "from": source.name}), digest, body)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_blob_is_mounted_without_naming_its_repository(registry: Registry, algorithm: str) -> None:
    """R1"""
    source, target, body = registry.repository(), registry.repository(), secrets.token_bytes(512)
    digest = source.push_blob(body, algorithm)
    assert_stored(target, target.post(query={"mount": digest}), digest, body)


def test_mount_outlives_the_blob_in_its_first_repository(registry: Registry) -> None:
    """R1"""
    source, target, body = registry.repository(), registry.repository(), secrets.token_bytes(512)
    digest = source.push_blob(body)
    target.post(query={"mount": digest, "from": source.name})
    assert source.blob("DELETE", digest).status_code == 202
    assert target.blob("GET", digest).content == body


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_mount_of_a_missing_blob_becomes_an_upload(registry: Registry, algorithm: str) -> None:
    """R1"""
    source, target, body = registry.repository(), registry.repository(), secrets.token_bytes(512)
    digest = digest_of(body, algorithm)
    answer = target.post(query={"mount": digest, "from": source.name})
    assert answer.status_code == 202, answer.text
    assert_stored(target, target.finish(answer.headers["Location"], digest, body), digest, body)


def test_cancelled_upload_is_gone(registry: Registry) -> None:
    """R1"""
    repository = registry.repository()
    location = repository.begin().location
    assert repository.http.delete(location).status_code == 204
    gone = repository.http.get(location)
    assert (gone.status_code, error_code(gone)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_upload_nobody_began_is_unknown(registry: Registry) -> None:
    """R1, R5"""
    repository = registry.repository()
    repository.push_blob(b"{}")
    answer = repository.http.get(repository.path("blobs/uploads/01ARZ3NDEKTSV4RRFFQ69G5FAV"))
    assert (answer.status_code, error_code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_upload_of_another_repository_cannot_be_reached(registry: Registry) -> None:
    """R1: the id of a session is no right to it."""
    mine, other = registry.repository(), registry.repository()
    other.push_blob(b"{}")
    location = mine.begin().location
    stranger = location.replace(mine.name, other.name)
    assert stranger != location
    assert mine.http.get(stranger).status_code == 404
    assert mine.http.delete(stranger).status_code == 404
    assert mine.http.get(location).status_code == 204


def wrong_in_one_post(repository: Repository, digest: str, body: bytes) -> httpx.Response:
    return repository.post(body, {"digest": digest})


def wrong_in_put(repository: Repository, digest: str, body: bytes) -> httpx.Response:
    return repository.finish(repository.begin().location, digest, body)


def wrong_in_stream(repository: Repository, digest: str, body: bytes) -> httpx.Response:
    location = repository.patch(repository.begin().location, body).headers["Location"]
    return repository.finish(location, digest)


def wrong_in_chunk(repository: Repository, digest: str, body: bytes) -> httpx.Response:
    location = repository.patch(repository.begin().location, body, 0).headers["Location"]
    return repository.finish(location, digest)


def wrong_in_last_chunk(repository: Repository, digest: str, body: bytes) -> httpx.Response:
    session = repository.begin()
    location = repository.patch(session.location, body[:2048], 0).headers["Location"]
    return repository.finish(location, digest, body[2048:], 2048)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "send", [wrong_in_one_post, wrong_in_put, wrong_in_stream, wrong_in_chunk, wrong_in_last_chunk]
)
def test_bytes_that_miss_their_digest_are_refused(registry: Registry, algorithm: str, send: Sender) -> None:
    """R1, R5"""
    repository, body = registry.repository(), secrets.token_bytes(3067)
    digest = digest_of(body, algorithm)
    answer = send(repository, digest, body + b"oh no")
    assert (answer.status_code, error_code(answer)) == (400, "DIGEST_INVALID")
    assert repository.blob("HEAD", digest).status_code == 404


@pytest.mark.parametrize("digest", ["sha256:short", "md5:" + "0" * 32, "sha256:" + "G" * 64, "nonsense"])
def test_malformed_digest_is_refused(registry: Registry, digest: str) -> None:
    """R1, R5"""
    repository = registry.repository()
    answer = repository.finish(repository.begin().location, digest, b"bytes")
    assert (answer.status_code, error_code(answer)) == (400, "DIGEST_INVALID")
