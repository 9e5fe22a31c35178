"""Pushing manifests, and what nobody should send: the specification's code, at once, with nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.edge.asgi import LINGER_BYTES, SMALL_BYTES
from chalicelib.registry.rules import MANIFEST_LIMIT_BYTES, TAGS_PER_PUSH

from .wire import CONFIG, INDEX, LAYER, MANIFEST, Wire, exchange, image, sha256

HELD = sha256(b"{}")
PATH = "/v2/library/app/manifests/v1"


def put(wire: Wire, body: bytes, reference: str = "v1", content_type: str | None = MANIFEST, **more: Any) -> Any:
    headers = {"Content-Type": content_type} if content_type else {}
    return wire.ask("PUT", f"/v2/library/app/manifests/{reference}", headers=headers, content=body, **more)


def ready(wire: Wire) -> None:
    wire.push_blob("library/app", b"{}")
    wire.push_blob("library/app", b"layer")


def manifest_of_size(size: int) -> bytes:
    body = image(annotations={"padding": ""})
    return body.replace(b'"padding": ""', b'"padding": "' + b"x" * (size - len(body)) + b'"')


def test_pushed_manifest_answers_with_location_digest_subject_and_tags(wire: Wire) -> None:
    """R1"""
    ready(wire)
    subject = "sha256:" + "1" * 64
    body = image(subject={"mediaType": MANIFEST, "digest": subject, "size": 3})
    answer = put(wire, body, sha256(body), params={"tag": ["a", "b"]})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v2/library/app/manifests/{sha256(body)}"
    assert answer.headers["docker-content-digest"] == sha256(body)
    assert answer.headers["oci-subject"] == subject
    assert answer.headers.get_list("oci-tag") == ["a", "b"]
    assert wire.ask("GET", "/v2/library/app/manifests/b").content == body


def test_ten_tags_at_once_are_taken_and_too_many_refused(wire: Wire) -> None:
    """R1"""
    ready(wire)
    body = image()
    tags = [f"t{n}" for n in range(TAGS_PER_PUSH + 1)]
    assert put(wire, body, sha256(body), params={"tag": tags[:10]}).status_code == 201
    assert put(wire, body, sha256(body), params={"tag": tags}).status_code == 414
    assert wire.ask("GET", "/v2/library/app/manifests/t15").status_code == 404


def test_manifest_of_exactly_the_limit_is_taken_and_one_byte_more_refused(wire: Wire) -> None:
    """R1"""
    ready(wire)
    largest = manifest_of_size(MANIFEST_LIMIT_BYTES)
    assert put(wire, largest).status_code == 201
    assert wire.ask("GET", PATH).content == largest
    answer = put(wire, manifest_of_size(MANIFEST_LIMIT_BYTES + 1), "v2")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (413, "SIZE_INVALID")
    assert wire.ask("GET", "/v2/library/app/manifests/v2").status_code == 404


def nested(depth: int) -> bytes:
    return b'{"schemaVersion":2,"x":' + b"[" * depth + b"]" * depth + b"}"


def descriptor(**change: Any) -> dict[str, Any]:
    return {"mediaType": CONFIG, "digest": HELD, "size": 2, **change}


BOTH = json.dumps({**json.loads(image()), "manifests": []}).encode()
DOUBLE = image().replace(b'"schemaVersion": 2', b'"schemaVersion": 2, "schemaVersion": 2')


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MANIFEST_INVALID"),
        (b"no json", "MANIFEST_INVALID"),
        (b"[]", "MANIFEST_INVALID"),
        (b"\xff\xfe", "MANIFEST_INVALID"),
        (b'{"schemaVersion": NaN}', "MANIFEST_INVALID"),
        (b'{"schemaVersion": ' + b"1" * 5000 + b"}", "MANIFEST_INVALID"),
        (DOUBLE, "MANIFEST_INVALID"),
        (BOTH, "MANIFEST_INVALID"),
        (image() + b"{}", "MANIFEST_INVALID"),
        (nested(100), "MANIFEST_INVALID"),
        (nested(500_000), "MANIFEST_INVALID"),
        (image(schemaVersion=1), "MANIFEST_INVALID"),
        (image(mediaType=INDEX), "MANIFEST_INVALID"),
        (image(config=descriptor(digest="sha256:x")), "DIGEST_INVALID"),
        (image(config=descriptor(size=-1)), None),
        (image(config=descriptor(size=3)), None),
        (image(config="x"), "MANIFEST_INVALID"),
        (image(layers=[descriptor(mediaType=LAYER, digest="sha256:" + "0" * 64)]), "MANIFEST_BLOB_UNKNOWN"),
    ],
)
def test_malformed_manifest_is_refused_and_leaves_nothing(calm_wire: Wire, body: bytes, code: str | None) -> None:
    """R1"""
    ready(calm_wire)
    before = [info.key for info in calm_wire.stack.objects(calm_wire.instance.bucket).list("").items]
    answer = put(calm_wire, body)
    assert 400 <= answer.status_code < 500
    if code:
        assert answer.json()["errors"][0]["code"] == code
    assert calm_wire.ask("GET", "/v2/library/app/tags/list").json()["tags"] == []
    assert [info.key for info in calm_wire.stack.objects(calm_wire.instance.bucket).list("").items] == before


def test_manifest_without_a_content_type_is_refused(wire: Wire) -> None:
    ready(wire)
    assert put(wire, image(), content_type=None).status_code == 400


def test_manifest_of_another_digest_is_refused(wire: Wire) -> None:
    """R1"""
    ready(wire)
    answer = put(wire, image(), "sha256:" + "0" * 64)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/Library/app/manifests/v1", "NAME_INVALID"),
        ("/v2/library/-app/manifests/v1", "NAME_INVALID"),
        ("/v2/library/app%0A/manifests/v1", "NAME_INVALID"),
        ("/v2/library%2Fapp/manifests/v1", "NAME_INVALID"),
        ("/v2/library/../app/manifests/v1", "NAME_INVALID"),
        ("/v2/library/" + "a" * 250 + "/manifests/v1", "NAME_INVALID"),
        ("/v2/app/manifests/v1", "NAME_INVALID"),
        ("/v2/library/app/manifests/-v1", "NAME_INVALID"),
        ("/v2/library/app/manifests/" + "t" * 129, "NAME_INVALID"),
        ("/v2/library/app/manifests/v%D9%A1", "NAME_INVALID"),
        ("/v2/library/app/manifests/sha256:baddigeststring", "DIGEST_INVALID"),
        ("/v2/library/app/manifests/sha256:" + "A" * 64, "DIGEST_INVALID"),
        ("/v2/library/app/manifests/md5:" + "0" * 32, "DIGEST_INVALID"),
        ("/v2/library/app/blobs/latest", "DIGEST_INVALID"),
        ("/v2/library/app/blobs/sha256:" + "0" * 63, "DIGEST_INVALID"),
        ("/v2/library/app/referrers/sha256:zz", "DIGEST_INVALID"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_malformed_path_is_refused(calm_wire: Wire, method: str, path: str, code: str) -> None:
    """R1"""
    answer = calm_wire.ask(method, path)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


@pytest.mark.parametrize("content_range", ["x", "1", "-5", "5-1", "0-4/5", "bytes 0-4/5", "0-\xb2", "0-" + "9" * 30])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_malformed_chunk_range_is_refused_and_the_session_lives_on(
    calm_wire: Wire, method: str, content_range: str
) -> None:
    token = calm_wire.token("repository:library/app:pull,push")
    location = calm_wire.ask("POST", "/v2/library/app/blobs/uploads/").headers["location"]
    headers = [("content-range", content_range), ("content-length", "5")]
    answer = exchange(calm_wire, method, location, headers, [b"12345"], token=token, query=f"digest={sha256(b'12345')}")
    assert answer.status == 400
    assert calm_wire.ask("GET", location).headers["range"] == "0-0"


@pytest.mark.parametrize("lengths", [("0-4", "4"), ("0-3", "5")])
def test_chunk_whose_lengths_disagree_is_refused(calm_wire: Wire, lengths: tuple[str, str]) -> None:
    token = calm_wire.token("repository:library/app:pull,push")
    location = calm_wire.ask("POST", "/v2/library/app/blobs/uploads/").headers["location"]
    headers = [("content-range", lengths[0]), ("content-length", lengths[1])]
    answer = exchange(calm_wire, "PATCH", location, headers, [b"12345"[: int(lengths[1])]], token=token)
    assert (answer.status, answer.code) == (400, "SIZE_INVALID")
    assert calm_wire.ask("GET", location).headers["range"] == "0-0"


@pytest.mark.parametrize("digest", ["", "latest", "sha256:x", "sha1:" + "0" * 40])
def test_upload_without_a_digest_is_not_ended(calm_wire: Wire, digest: str) -> None:
    location = calm_wire.ask("POST", "/v2/library/app/blobs/uploads/").headers["location"]
    assert calm_wire.ask("PUT", location, params={"digest": digest}, content=b"x").status_code == 400
    assert calm_wire.ask("GET", location).status_code == 204
    assert calm_wire.ask("POST", "/v2/library/app/blobs/uploads/", params={"digest": digest}).status_code == 400
    assert calm_wire.ask("POST", "/v2/library/app/blobs/uploads/", params={"mount": digest}).status_code == 400


@pytest.mark.parametrize("upload", ["x", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "..%2f..", "%00", "a" * 900])
@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
def test_foreign_upload_id_is_unknown(calm_wire: Wire, method: str, upload: str) -> None:
    calm_wire.push_blob("library/app", b"{}")
    answer = calm_wire.ask(method, f"/v2/library/app/blobs/uploads/{upload}", params={"digest": HELD})
    assert answer.status_code in (400, 404)


def endless(piece: bytes = b"x" * 65536) -> Iterator[bytes]:
    while True:
        yield piece


@pytest.mark.parametrize("token", ["", "forged"])
def test_endless_body_without_credentials_is_answered_and_cut(wire: Wire, token: str) -> None:
    location = wire.ask("POST", "/v2/library/app/blobs/uploads/").headers["location"]
    for method, path in (("PATCH", location), ("PUT", PATH), ("POST", "/v2/library/app/blobs/uploads/")):
        headers = [("transfer-encoding", "chunked"), ("content-type", MANIFEST)]
        answer = exchange(wire, method, path, headers, endless(), token=token)
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        assert answer.taken_bytes <= LINGER_BYTES + 65536


def test_endless_manifest_is_cut_at_the_limit(wire: Wire) -> None:
    token = wire.token("repository:library/app:pull,push")
    headers = [("transfer-encoding", "chunked"), ("content-type", MANIFEST)]
    answer = exchange(wire, "PUT", PATH, headers, endless(), token=token)
    assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_endless_chunk_is_cut_where_its_range_ends(wire: Wire) -> None:
    token = wire.token("repository:library/app:pull,push")
    location = wire.ask("POST", "/v2/library/app/blobs/uploads/").headers["location"]
    headers = [("transfer-encoding", "chunked"), ("content-range", "0-99999")]
    answer = exchange(wire, "PATCH", location, headers, endless(), token=token)
    assert (answer.status, answer.code) == (400, "SIZE_INVALID")


def test_declared_length_over_the_limit_is_refused_before_a_byte_is_taken(wire: Wire) -> None:
    token = wire.token("repository:library/app:pull,push")
    headers = [("content-length", str(10**12)), ("content-type", MANIFEST), ("expect", "100-continue")]
    answer = exchange(wire, "PUT", PATH, headers, endless(), token=token)
    assert (answer.status, answer.taken_bytes) == (413, 0)


@pytest.mark.parametrize("length", ["x", "-1", "1e3", "9" * 40])
def test_length_that_is_no_number_is_refused(calm_wire: Wire, length: str) -> None:
    headers = [("content-length", length), ("content-type", MANIFEST)]
    assert exchange(calm_wire, "PUT", PATH, headers, [b"x"]).status == 400


def test_small_body_that_nobody_wanted_is_taken_so_that_the_connection_stays(wire: Wire) -> None:
    headers = [("content-length", str(SMALL_BYTES))]
    answer = exchange(wire, "PATCH", "/v2/library/app/blobs/uploads/x", headers, [b"x" * SMALL_BYTES])
    assert answer.status == 401
    assert "connection" not in answer.headers


def test_client_that_goes_away_in_a_manifest_leaves_nothing(wire: Wire) -> None:
    ready(wire)
    token = wire.token("repository:library/app:pull,push")
    body = image()
    headers = [("content-length", str(len(body))), ("content-type", MANIFEST)]
    exchange(wire, "PUT", PATH, headers, [body[:10]], token=token, ends=False)
    assert wire.ask("GET", PATH).status_code == 404


@pytest.mark.parametrize("query", ["&".join(["tag=a"] * 100), "tag=" + "a" * 20_000, "tag=-x", "tag=%00"])
def test_malformed_query_is_refused(calm_wire: Wire, query: str) -> None:
    ready(calm_wire)
    body = image()
    answer = calm_wire.ask("PUT", f"{PATH}?{query}", headers={"Content-Type": MANIFEST}, content=body)
    assert 400 <= answer.status_code < 500
    assert calm_wire.ask("GET", "/v2/library/app/tags/list").json()["tags"] == []


def test_unforeseen_failure_is_a_500_with_the_request_id_and_no_secrets(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """R5"""
    from dataclasses import replace

    def broken(bucket: str) -> Any:
        raise RuntimeError("the disk is on fire")

    digest = wire.push_blob("library/app", b"x")
    wire.use(replace(wire.stack, objects=broken))
    for answer in (
        wire.ask("GET", f"/v2/library/app/blobs/{digest}"),
        wire.ask("POST", "/v2/library/app/blobs/uploads/"),
    ):
        assert answer.status_code == 500
        assert answer.json()["errors"][0]["detail"] == answer.headers["x-request-id"]
        assert "fire" not in answer.text
    assert [record.message for record in caplog.records] == ["failed to answer", "failed to answer"]
    assert "correct-horse" not in caplog.text
