"""Objects on S3.

Whoever writes an object leaves a word of its own in the object's metadata. When S3 says that the key is taken, or that
a multipart upload is gone, that word tells our own earlier try, whose answer was lost, from somebody else's object.
"""

from __future__ import annotations

import base64
import contextlib
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.paging import Page
from chalicelib.ports.objects import ObjectExists, ObjectInfo, ObjectMissing, Part, Reading

from .clients import code_of, translated
from .reading import BodyReading, EmptyReading

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CopySourceTypeDef

_PAGE_LIMIT: Final = 1000
_WRITER: Final = "writer"
# CopyObject's limit; what is larger is copied in parts of 1 GiB, of which S3 takes 10 000.
COPY_LIMIT_BYTES: Final = 5 * 1024**3
_COPY_PART_BYTES: Final = 1024**3
_COPIES_AT_ONCE: Final = 8

_ERRORS: Final[dict[str, type[Exception]]] = {
    "404": ObjectMissing,
    "NoSuchKey": ObjectMissing,
    "NoSuchUpload": ObjectMissing,
    "NotFound": ObjectMissing,
    "412": ObjectExists,
    "PreconditionFailed": ObjectExists,
}


class S3Objects:
    """`Objects` on one bucket. Safe for threads. The parameters of copying are S3's own but for tests."""

    part_min_bytes = 5 * 1024 * 1024

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        *,
        copy_limit_bytes: int = COPY_LIMIT_BYTES,
        copy_part_bytes: int = _COPY_PART_BYTES,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._copy_limit_bytes = copy_limit_bytes
        self._copy_part_bytes = copy_part_bytes

    def put(self, key: str, data: bytes, *, relaxed: bool = False) -> None:
        writer = new_id()
        try:
            with translated("the object store", _error):
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=data,
                    ChecksumCRC32=_checksum(data),
                    IfNoneMatch="*",
                    Metadata={_WRITER: writer},
                )
        except ObjectExists:
            if self._writer(key) != writer:
                raise

    def get(self, key: str, start: int = 0, end: int | None = None) -> Reading:
        if end is not None and end <= start:
            return EmptyReading(self._size(key))
        everything = start == 0 and end is None
        wanted = {} if everything else {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        try:
            with translated("the object store", _error):
                answer = self._client.get_object(Bucket=self._bucket, Key=key, **wanted)  # type: ignore[arg-type]
        except Unavailable as error:
            if error.__cause__ is not None and code_of(_cause(error)) in ("InvalidRange", "416"):
                return EmptyReading(self._size(key))  # the range begins behind the end
            raise
        length = answer["ContentLength"]
        size = length if everything else int(answer["ContentRange"].rpartition("/")[2])
        return BodyReading(answer["Body"], size, length)

    def presign(self, key: str, *, expires_s: int, media_type: str) -> str | None:
        return self._client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": key, "ResponseContentType": media_type},
            ExpiresIn=expires_s,
        )

    def begin(self, key: str) -> str:
        writer = new_id()
        with translated("the object store", _error):
            answer = self._client.create_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                Metadata={_WRITER: writer},
                ChecksumAlgorithm="CRC32",
                ChecksumType="FULL_OBJECT",
            )
        return f"{writer}.{answer['UploadId']}"

    def part(self, key: str, multipart: str, number: int, offset: int, data: bytes | memoryview) -> Part:
        with translated("the object store", _error):
            answer = self._client.upload_part(
                Bucket=self._bucket,
                Key=key,
                UploadId=_split(multipart)[1],
                PartNumber=number,
                Body=bytes(data),
                ChecksumCRC32=_checksum(data),
            )
        return Part(number, len(data), answer["ETag"])

    def complete(self, key: str, multipart: str, parts: Sequence[Part]) -> None:
        writer, upload = _split(multipart)
        try:
            # S3 completes no upload without parts, but takes an empty one.
            self._complete(key, upload, parts or [self.part(key, multipart, 1, 0, b"")])
        except (ObjectMissing, ObjectExists):
            # Our own earlier call may have made the object; if so, this one has nothing left to do.
            there = self._writer(key)
            if there is None:
                raise
            if there != writer:
                raise ObjectExists(key) from None

    def abort(self, key: str, multipart: str) -> None:
        with contextlib.suppress(ObjectMissing), translated("the object store", _error):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=_split(multipart)[1])

    def copy(self, source_bucket: str, source_key: str, key: str) -> None:
        source: CopySourceTypeDef = {"Bucket": source_bucket, "Key": source_key}
        with translated("the object store", _error):
            size = self._client.head_object(Bucket=source_bucket, Key=source_key)["ContentLength"]
        if self._writer(key) is not None:
            raise ObjectExists(key)
        if size > self._copy_limit_bytes:
            self._copy_in_parts(source, size, key)
            return
        writer = new_id()
        try:
            with translated("the object store", _error):
                self._client.copy_object(
                    Bucket=self._bucket,
                    Key=key,
                    CopySource=source,
                    IfNoneMatch="*",
                    Metadata={_WRITER: writer},
                    MetadataDirective="REPLACE",
                )
        except ObjectExists:
            if self._writer(key) != writer:
                raise

    def delete(self, key: str) -> None:
        with translated("the object store", _error):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def list(self, prefix: str, *, cursor: str | None = None, limit: int = 1000) -> Page[ObjectInfo]:
        after = {} if cursor is None else {"StartAfter": cursor}
        with translated("the object store", _error):
            answer = self._client.list_objects_v2(
                Bucket=self._bucket,
                Prefix=prefix,
                MaxKeys=min(limit, _PAGE_LIMIT),
                **after,  # type: ignore[arg-type]
            )
        items = tuple(
            ObjectInfo(found["Key"], found["Size"], found["LastModified"].astimezone(UTC))
            for found in answer.get("Contents", ())
        )
        return Page(items, items[-1].key if answer["IsTruncated"] and items else None)

    def _complete(self, key: str, upload: str, parts: Sequence[Part]) -> None:
        ordered = sorted(parts)
        completed: list[CompletedPartTypeDef] = [{"PartNumber": part.number, "ETag": part.etag} for part in ordered]
        with translated("the object store", _error):
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload,
                MultipartUpload={"Parts": completed},
                MpuObjectSize=sum(part.size for part in ordered),
                IfNoneMatch="*",
            )

    def _copy_in_parts(self, source: CopySourceTypeDef, size: int, key: str) -> None:
        multipart = self.begin(key)
        try:
            starts = range(0, size, self._copy_part_bytes)
            # S3 takes seconds for each, and this process only waits.
            with ThreadPoolExecutor(min(_COPIES_AT_ONCE, len(starts)), "copy-part") as threads:
                copying = [
                    threads.submit(
                        self._copied_part, source, key, multipart, number, at, min(at + self._copy_part_bytes, size)
                    )
                    for number, at in enumerate(starts, start=1)
                ]
            self.complete(key, multipart, [one.result() for one in copying])
        except BaseException:
            self.abort(key, multipart)
            raise

    def _copied_part(
        self, source: CopySourceTypeDef, key: str, multipart: str, number: int, start: int, end: int
    ) -> Part:
        with translated("the object store", _error):
            answer = self._client.upload_part_copy(
                Bucket=self._bucket,
                Key=key,
                UploadId=_split(multipart)[1],
                PartNumber=number,
                CopySource=source,
                CopySourceRange=f"bytes={start}-{end - 1}",
            )
        return Part(number, end - start, answer["CopyPartResult"]["ETag"])

    def _size(self, key: str) -> int:
        with translated("the object store", _error):
            return self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"]

    def _writer(self, key: str) -> str | None:
        """Who wrote the object: the word it left, empty if it left none, None if there is no object."""
        try:
            with translated("the object store", _error):
                answer = self._client.head_object(Bucket=self._bucket, Key=key)
        except ObjectMissing:
            return None
        return answer.get("Metadata", {}).get(_WRITER, "")


def _error(code: str) -> Exception | None:
    known = _ERRORS.get(code)
    return known(code) if known else None


def _cause(error: Unavailable) -> Exception:
    return error.__cause__ if isinstance(error.__cause__, ClientError) else error


def _checksum(data: bytes | memoryview) -> str:
    """CRC-32 as S3 wants it, so that it refuses what was garbled on the way."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4)).decode()


def _split(multipart: str) -> tuple[str, str]:
    """Our own word and S3's id. Raises ObjectMissing for what `begin` never answered."""
    writer, dot, upload = multipart.partition(".")
    if not dot:
        raise ObjectMissing(multipart)
    return writer, upload
