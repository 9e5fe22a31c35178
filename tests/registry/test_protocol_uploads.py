"""Blobs over the protocol: each way of upload, resumption, mounts, ranges, deletion."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.collection.service import Sweeper
from chalicelib.edge.asgi import SMALL_BYTES
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack

from .wire import LOGIN, Wire, exchange, sha256

UPLOADS = "/v2/library/app/blobs/uploads/"
# Larger than what is taken before anything else, and than one piece of the writer.
LARGE = os.urandom(3 * 1024 * 1024 + 17)


def start(wire: Wire, **query: str) -> str:
    answer = wire.ask("POST", UPLOADS, params=query)
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


def blob(wire: Wire, data: bytes, name: str = "library/app") -> bytes | int:
    answer = wire.ask("GET", f"/v2/{name}/blobs/{sha256(data)}")
    return answer.content if answer.status_code == 200 else answer.status_code


@pytest.mark.parametrize("data", [b"", b"small", b"x" * SMALL_BYTES, LARGE], ids=["empty", "small", "edge", "large"])
def test_whole_blob_in_one_request(wire: Wire, data: bytes) -> None:
    """R1"""
    answer = wire.ask("POST", UPLOADS, params={"digest": sha256(data)}, content=data)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v2/library/app/blobs/{sha256(data)}"
    assert answer.headers["docker-content-digest"] == sha256(data)
    assert blob(wire, data) == data


@pytest.mark.parametrize("data", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_post_then_put(wire: Wire, data: bytes) -> None:
    """R1"""
    answer = wire.ask("PUT", start(wire), params={"digest": sha256(data)}, content=data)
    assert answer.status_code == 201
    assert wire.ask("GET", answer.headers["location"]).content == data


def test_stream_without_lengths_as_docker_sends_it(wire: Wire) -> None:
    """R3"""
    token = wire.token("repository:library/app:pull,push")
    location = start(wire)
    pieces = [LARGE[at : at + 100_000] for at in range(0, len(LARGE), 100_000)]
    answer = exchange(wire, "PATCH", location, [("transfer-encoding", "chunked")], pieces, token=token)
    assert answer.status == 202
    assert answer.headers["range"] == f"0-{len(LARGE) - 1}"
    assert wire.ask("PUT", location, params={"digest": sha256(LARGE)}).status_code == 201
    assert blob(wire, LARGE) == LARGE


def test_chunks_in_order_with_the_last_one_in_the_put(wire: Wire) -> None:
    """R1"""
    location, data = start(wire), b"0123456789"
    answer = wire.ask("PATCH", location, headers={"Content-Range": "0-5"}, content=data[:6])
    assert (answer.status_code, answer.headers["range"]) == (202, "0-5")
    assert answer.headers["docker-upload-uuid"] in answer.headers["location"]
    answer = wire.ask(
        "PUT", location, params={"digest": sha256(data)}, headers={"Content-Range": "6-9"}, content=data[6:]
    )
    assert answer.status_code == 201
    assert blob(wire, data) == data


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_chunk_out_of_order_is_refused_and_the_session_lives_on(wire: Wire, method: str) -> None:
    """R1"""
    location, data = start(wire), b"0123456789"
    wire.ask("PATCH", location, headers={"Content-Range": "0-3"}, content=data[:4])
    answer = wire.ask(
        method, location, params={"digest": sha256(data)}, headers={"Content-Range": "6-9"}, content=data[6:]
    )
    assert answer.status_code == 416
    assert answer.headers["range"] == "0-3" and answer.headers["location"] == location
    status = wire.ask("GET", location)
    assert (status.status_code, status.headers["range"]) == (204, "0-3")
    wire.ask("PATCH", status.headers["location"], headers={"Content-Range": "4-9"}, content=data[4:])
    assert wire.ask("PUT", location, params={"digest": sha256(data)}).status_code == 201


def test_upload_goes_on_after_the_client_went_away(wire: Wire) -> None:
    """R4"""
    token = wire.token("repository:library/app:pull,push")
    location = start(wire)
    half = len(LARGE) // 2
    pieces = [LARGE[at : min(half, at + 50_000)] for at in range(0, half, 50_000)]
    exchange(wire, "PATCH", location, [("content-length", str(len(LARGE)))], pieces, token=token, ends=False)
    status = wire.ask("GET", location)
    assert status.headers["range"] == f"0-{half - 1}"
    answer = wire.ask("PATCH", location, headers={"Content-Range": f"{half}-{len(LARGE) - 1}"}, content=LARGE[half:])
    assert answer.status_code == 202
    assert wire.ask("PUT", location, params={"digest": sha256(LARGE)}).status_code == 201
    assert blob(wire, LARGE) == LARGE


def test_whole_upload_that_breaks_off_leaves_no_session(wire: Wire) -> None:
    token = wire.token("repository:library/app:pull,push")
    query = f"digest={sha256(LARGE)}"
    headers = [("content-length", str(len(LARGE)))]
    exchange(wire, "POST", UPLOADS, headers, [LARGE[:1_500_000]], token=token, query=query, ends=False)
    assert blob(wire, LARGE) == 404
    assert objects_of(wire) == []
    assert sessions_of(wire) == []


def sessions_of(wire: Wire) -> list[str]:
    shards = [wire.stack.table.query(shard, index="i1") for shard in keys.due_partitions("upload")]
    return [item["pk"] for shard in shards for item in shard.items if item["pk"].startswith("UPLOAD#")]


def objects_of(wire: Wire) -> list[str]:
    return [info.key for info in wire.stack.objects(wire.instance.bucket).list("").items]


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("way", ["whole", "put", "chunked"])
def test_bytes_of_another_digest_are_refused_and_nothing_is_left(wire: Wire, data: bytes, way: str) -> None:
    """R1"""
    wrong = {"digest": sha256(b"something else")}
    if way == "whole":
        answer = wire.ask("POST", UPLOADS, params=wrong, content=data)
    else:
        location = start(wire)
        if way == "chunked":
            assert wire.ask("PATCH", location, content=data).status_code == 202
        answer = wire.ask("PUT", location, params=wrong, content=b"" if way == "chunked" else data)
        assert wire.ask("GET", location).status_code == 404
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    assert objects_of(wire) == []


def test_sha512_stays_sha512(wire: Wire) -> None:
    """R1"""
    import hashlib

    digest = "sha512:" + hashlib.sha512(LARGE).hexdigest()
    for query in ({}, {"digest-algorithm": "sha512"}):
        answer = wire.ask("PUT", start(wire, **query), params={"digest": digest}, content=LARGE)
        assert (answer.status_code, answer.headers["docker-content-digest"]) == (201, digest)
        assert wire.ask("HEAD", f"/v2/library/app/blobs/{digest}").headers["docker-content-digest"] == digest
    assert wire.ask("POST", UPLOADS, params={"digest-algorithm": "md5"}).status_code == 400


def test_cancelled_upload_is_gone(wire: Wire) -> None:
    location = start(wire)
    wire.ask("PATCH", location, content=b"some")
    assert len(sessions_of(wire)) == 1
    assert wire.ask("DELETE", location).status_code == 204
    assert wire.ask("GET", location).status_code == 404
    assert wire.ask("PATCH", location, content=b"some").status_code == 404


def test_mounted_blob_is_there_without_being_sent(wire: Wire) -> None:
    """R1"""
    digest = wire.push_blob("library/a", b"shared")
    for query in ({"mount": digest, "from": "library/a"}, {"mount": digest}):
        answer = wire.ask("POST", "/v2/library/b/blobs/uploads/", params=query)
        assert answer.status_code == 201
        assert answer.headers["location"] == f"/v2/library/b/blobs/{digest}"
    assert blob(wire, b"shared", "library/b") == b"shared"


def test_mount_of_what_is_not_there_starts_an_upload(wire: Wire) -> None:
    """R1"""
    query = {"mount": sha256(b"absent"), "from": "library/a"}
    answer = wire.ask("POST", UPLOADS, params=query)
    assert answer.status_code == 202
    location = answer.headers["location"]
    assert wire.ask("PUT", location, params={"digest": sha256(b"absent")}, content=b"absent").status_code == 201


@pytest.mark.parametrize(
    ("asked", "status", "content", "content_range"),
    [
        ("bytes=500-1499", 206, slice(500, 1500), "bytes 500-1499/2048"),
        ("bytes=500-", 206, slice(500, 2048), "bytes 500-2047/2048"),
        ("bytes=-500", 206, slice(1548, 2048), "bytes 1548-2047/2048"),
        ("bytes=-5000", 206, slice(0, 2048), "bytes 0-2047/2048"),
        ("bytes=2000-5000", 206, slice(2000, 2048), "bytes 2000-2047/2048"),
        ("bytes=0-0", 206, slice(0, 1), "bytes 0-0/2048"),
        ("bytes=500-0", 416, None, "bytes */2048"),
        ("bytes=2048-", 416, None, "bytes */2048"),
        ("bytes=-0", 416, None, "bytes */2048"),
        ("bytes=\xb2-", 416, None, "bytes */2048"),
        ("bytes=x", 416, None, "bytes */2048"),
        ("bytes=" + "9" * 5000 + "-", 416, None, "bytes */2048"),
        ("bytes=0-1,5-6", 206, slice(0, 7), "bytes 0-6/2048"),
        ("bytes=500-599, -48,700-799", 206, slice(500, 2048), "bytes 500-2047/2048"),
        ("bytes=0-1,9999-", 200, slice(0, 2048), None),
        ("bytes=0-1,x", 200, slice(0, 2048), None),
        ("bytes=" + "0-1," * 200 + "0-1", 200, slice(0, 2048), None),
        ("lines=1-2", 200, slice(0, 2048), None),
    ],
)
def test_range_of_a_blob(
    calm_wire: Wire, asked: str, status: int, content: slice | None, content_range: str | None
) -> None:
    """R1, R4"""
    data = os.urandom(2048)
    calm_wire.push_blob("library/app", data)
    token = calm_wire.token("repository:library/app:pull")
    answer = exchange(calm_wire, "GET", f"/v2/library/app/blobs/{sha256(data)}", [("range", asked)], token=token)
    assert (answer.status, answer.headers.get("content-range")) == (status, content_range)
    if content is not None:
        assert answer.body == data[content]
        assert answer.headers["content-length"] == str(len(data[content]))


def test_file_goes_out_by_descriptor_where_the_server_can(wire: Wire) -> None:
    """R4"""
    wire.push_blob("library/app", LARGE)
    token = wire.token("repository:library/app:pull")
    path = f"/v2/library/app/blobs/{sha256(LARGE)}"
    answer = exchange(wire, "GET", path, [("range", "bytes=10-19")], token=token, extensions={"crs.sendfile": {}})
    message = answer.sent[1]
    assert (message["type"], message["offset"], message["count"]) == ("crs.sendfile", 10, 10)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(message["descriptor"])


def test_head_of_a_blob_says_its_size_and_sends_nothing(wire: Wire) -> None:
    digest = wire.push_blob("library/app", LARGE)
    for _ in range(2):
        head = wire.ask("HEAD", f"/v2/library/app/blobs/{digest}")
        assert head.headers["content-length"] == str(len(LARGE))
        assert head.headers["docker-content-digest"] == digest
        assert head.content == b""


def test_deleted_blob_is_gone_at_once(wire: Wire) -> None:
    """R1"""
    digest = wire.push_blob("library/app", b"data")
    assert wire.ask("HEAD", f"/v2/library/app/blobs/{digest}").status_code == 200
    assert wire.ask("DELETE", f"/v2/library/app/blobs/{digest}").status_code == 202
    assert wire.ask("HEAD", f"/v2/library/app/blobs/{digest}").status_code == 404
    assert wire.ask("DELETE", f"/v2/library/app/blobs/{digest}").status_code == 404


class LinkingObjects:
    """A bucket whose store serves links, as S3 does."""

    part_min_bytes = 5 * 1024 * 1024

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def presign(self, key: str, *, expires_s: int, media_type: str) -> str:
        return f"https://store.test/{key}?expires={expires_s}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class CountedReading:
    def __init__(self, inner: Any, closed: list[str]) -> None:
        self.size, self.descriptor, self.chunks = inner.size, inner.descriptor, inner.chunks
        self._inner = inner
        self._closed = closed

    def close(self) -> None:
        self._closed.append("closed")
        self._inner.close()


class CountingObjects(LinkingObjects):
    """Notes each reading that is closed."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.closed: list[str] = []

    def presign(self, key: str, *, expires_s: int, media_type: str) -> None:  # type: ignore[override]
        return None

    def get(self, key: str, start: int = 0, end: int | None = None) -> CountedReading:
        return CountedReading(self._inner.get(key, start, end), self.closed)


@pytest.mark.parametrize("extensions", [{}, {"crs.sendfile": {}}], ids=["chunks", "file"])
def test_what_is_read_is_closed(wire: Wire, extensions: dict[str, Any]) -> None:
    digest = wire.push_blob("library/app", LARGE)
    token = wire.token("repository:library/app:pull")
    counting = CountingObjects(wire.stack.objects(wire.instance.bucket))
    wire.use(replace(wire.stack, objects=lambda bucket: counting))
    assert exchange(wire, "GET", f"/v2/library/app/blobs/{digest}", token=token, extensions=extensions).status == 200
    assert counting.closed == ["closed"]


def test_blob_whose_bytes_are_gone_is_unknown(wire: Wire) -> None:
    digest = wire.push_blob("library/app", b"data")
    for key in objects_of(wire):
        wire.stack.objects(wire.instance.bucket).delete(key)
    answer = wire.ask("GET", f"/v2/library/app/blobs/{digest}")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "BLOB_UNKNOWN")


def test_blob_that_a_pusher_asked_for_stays_for_another_day(wire: Wire) -> None:
    """R6: a manifest follows, and must find what the client was told is here."""
    digest = wire.push_blob("library/app", b"layer")
    wire.clock.advance(23 * 3600)
    assert wire.ask("HEAD", f"/v2/library/app/blobs/{digest}").status_code == 200
    wire.clock.advance(2 * 3600)
    Sweeper(wire.stack).run()
    assert wire.ask("HEAD", f"/v2/library/app/blobs/{digest}").status_code == 200
    wire.clock.advance(25 * 3600)
    Sweeper(wire.stack).run()
    assert wire.ask("HEAD", f"/v2/library/app/blobs/{digest}").status_code == 404


def linking(wire: Wire, **settings: Any) -> Stack:
    stack = wire.stack
    changed = stack.settings.model_copy(update=settings)
    return replace(stack, settings=changed, objects=lambda bucket: LinkingObjects(stack.objects(bucket)))


def test_pull_leaves_by_link_where_the_store_serves_it(wire: Wire) -> None:
    """R4"""
    digest = wire.push_blob("library/app", b"data")
    wire.use(linking(wire))
    answer = wire.ask("GET", f"/v2/library/app/blobs/{digest}")
    assert answer.status_code == 307
    assert answer.headers["location"].endswith("?expires=60")
    assert answer.headers["docker-content-digest"] == digest
    assert wire.ask("HEAD", f"/v2/library/app/blobs/{digest}").status_code == 200


def test_store_with_large_parts_says_which_chunks_are_cheapest(wire: Wire) -> None:
    """R1"""
    wire.use(linking(wire))
    assert wire.ask("POST", UPLOADS).headers["oci-chunk-min-length"] == str(5 * 1024 * 1024)


def test_allowlisted_instance_streams_unless_the_operator_allows_links(tmp_path: Any) -> None:
    """G2: a link would carry an allowlisted client's right elsewhere."""
    wire = Wire(tmp_path, edition="enterprise")
    try:
        from chalicelib.access.service import Access

        Access(wire.stack).add(wire.instance, "127.0.0.1/32")
        digest = wire.push_blob("library/app", b"data")
        wire.use(linking(wire))
        assert wire.ask("GET", f"/v2/library/app/blobs/{digest}").status_code == 200
        wire.use(linking(wire, redirect_ttl_s=20))
        assert wire.ask("GET", f"/v2/library/app/blobs/{digest}").headers["location"].endswith("?expires=20")
    finally:
        wire.close()


def test_two_requests_never_write_to_one_upload_at_once(wire: Wire) -> None:
    from chalicelib.registry.service import Registry

    from .images import owner_of

    location = start(wire)
    caller = owner_of(wire.instance)
    first = Registry(wire.stack).resume(caller, RepositoryName("library/app"), location.rsplit("/", 1)[1], 0)
    answer = wire.ask("PATCH", location, content=b"second")
    assert (answer.status_code, answer.json()["errors"][0]["detail"]["reason"]) == (409, "UPLOAD_BUSY")
    first.append(b"first")
    first.keep()
    first.close()
    assert wire.ask("GET", location).headers["range"] == "0-4"


def test_another_login_cannot_see_or_end_an_upload(wire: Wire) -> None:
    from chalicelib.credentials.service import Credentials

    location = start(wire)
    Credentials(wire.stack).create(wire.instance, "other", "another-password")
    for method in ("GET", "PATCH", "DELETE"):
        assert wire.ask(method, location, login=("other", "another-password")).status_code == 404
    assert wire.ask("GET", location.replace("library/app", "library/b")).status_code == 404
    assert wire.ask("GET", location, login=LOGIN).status_code == 204
