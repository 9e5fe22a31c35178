"""What the contract of objects cannot see: lost answers, errors in answers of 200, broken bodies."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.kernel.errors import Unavailable
from chalicelib.ports.aws.clients import Clients
from chalicelib.ports.aws.objects import S3Objects
from chalicelib.ports.objects import ObjectExists, ObjectMissing

from .conftest import SETTINGS, Faults

MIB = 1024 * 1024


def content(objects: S3Objects, key: str) -> bytes:
    reading = objects.get(key)
    try:
        return b"".join(reading.chunks())
    finally:
        reading.close()


def test_a_put_whose_answer_was_lost_is_not_told_that_its_own_key_is_taken(objects: S3Objects, faults: Faults) -> None:
    faults.again("s3.PutObject")
    objects.put("a/b", b"mine")
    assert content(objects, "a/b") == b"mine"


def test_a_put_on_a_key_of_somebody_else_changes_nothing(objects: S3Objects) -> None:
    objects.put("a/b", b"theirs")
    with pytest.raises(ObjectExists):
        objects.put("a/b", b"mine")
    assert content(objects, "a/b") == b"theirs"


@pytest.mark.parametrize("data", [b"content", b""])
def test_a_completion_whose_answer_was_lost_succeeds_when_repeated(
    objects: S3Objects, faults: Faults, data: bytes
) -> None:
    upload = objects.begin("a/b")
    parts = [objects.part("a/b", upload, 1, 0, data)] if data else []
    faults.again("s3.CompleteMultipartUpload")
    objects.complete("a/b", upload, parts)
    objects.complete("a/b", upload, parts)
    assert content(objects, "a/b") == data


def test_a_completion_is_refused_where_another_upload_made_the_key(objects: S3Objects) -> None:
    first, second = objects.begin("a/b"), objects.begin("a/b")
    parts = [objects.part("a/b", upload, 1, 0, upload.encode()) for upload in (first, second)]
    objects.complete("a/b", first, parts[:1])
    with pytest.raises(ObjectExists):
        objects.complete("a/b", second, parts[1:])
    assert content(objects, "a/b") == first.encode()


def test_an_upload_that_was_aborted_cannot_be_completed(objects: S3Objects) -> None:
    upload = objects.begin("a/b")
    part = objects.part("a/b", upload, 1, 0, b"content")
    objects.abort("a/b", upload)
    objects.abort("a/b", upload)
    for parts in ([part], []):
        with pytest.raises(ObjectMissing):
            objects.complete("a/b", upload, parts)


def test_parts_carry_a_checksum_and_the_completion_the_size_of_the_whole(objects: S3Objects, faults: Faults) -> None:
    sent: dict[str, Any] = {}
    faults.watch("before-send.s3", lambda request, **_: sent.update(request.headers))
    upload = objects.begin("a/b")
    part = objects.part("a/b", upload, 1, 0, memoryview(b"123456789"))
    objects.complete("a/b", upload, [part])
    assert sent["x-amz-checksum-crc32"] == b"y/Q5Jg=="  # CRC-32 of the nine digits: CBF43926
    assert sent["x-amz-mp-object-size"] == b"9"
    assert sent["If-None-Match"] == b"*"


def test_large_objects_are_copied_in_parts(objects: S3Objects, clients: Clients) -> None:
    data = bytes(range(256)) * (11 * MIB // 256)
    objects.put("a/large", data)
    in_parts = S3Objects(clients.s3, SETTINGS.bucket, copy_limit_bytes=6 * MIB, copy_part_bytes=5 * MIB)
    in_parts.copy(SETTINGS.bucket, "a/large", "a/copy")
    assert content(objects, "a/copy") == data
    assert in_parts.get("a/copy").size == len(data)


def test_a_copy_whose_answer_was_lost_succeeds(objects: S3Objects, faults: Faults) -> None:
    objects.put("a/b", b"content")
    taken: Any = {"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": {"HTTPStatusCode": 412}}
    faults.after("s3.CopyObject", ClientError(taken, "CopyObject"))  # what botocore's own second try is told
    objects.copy(SETTINGS.bucket, "a/b", "a/c")
    assert content(objects, "a/c") == b"content"


def test_a_link_names_the_type_and_the_time_it_lives(objects: S3Objects) -> None:
    link = objects.presign("a/b", expires_s=42, media_type="application/vnd.oci.image.layer.v1.tar+gzip")
    assert link is not None
    assert "X-Amz-Expires=42" in link
    assert "response-content-type=application%2Fvnd.oci.image.layer.v1.tar%2Bgzip" in link


def test_a_store_out_of_reach_is_unavailability(objects: S3Objects, faults: Faults) -> None:
    faults.refuse("s3.GetObject", 403, "AccessDenied")
    with pytest.raises(Unavailable):
        objects.get("a/b")
