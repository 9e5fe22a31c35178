"""Versions of objects on S3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chalicelib.kernel.errors import NotFound, Unavailable
from chalicelib.kernel.paging import Page
from chalicelib.ports.object_versions import Version

from .clients import translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

# Neither in an object's key nor in the id of a version.
_BETWEEN: Final = "\n"


class S3ObjectVersions:
    """page_versions: S3's own limit but for tests."""

    def __init__(self, client: S3Client, *, page_versions: int = 1000) -> None:
        self._client = client
        self._page_versions = page_versions

    def kept(self, bucket: str) -> bool:
        with translated("the object store", _error):
            return self._client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"

    def page(self, bucket: str, prefix: str, *, cursor: str | None = None, after: str = "") -> Page[Version]:
        key, _, version = (cursor or after).partition(_BETWEEN)
        place = {name: text for name, text in (("KeyMarker", key), ("VersionIdMarker", version)) if text}
        with translated("the object store", _error):
            answer = self._client.list_object_versions(
                Bucket=bucket,
                Prefix=prefix,
                MaxKeys=self._page_versions,
                **place,  # type: ignore[arg-type]
            )
        items = [
            *(Version(one["Key"], one["VersionId"], one["IsLatest"], False) for one in answer.get("Versions", ())),
            *(Version(one["Key"], one["VersionId"], one["IsLatest"], True) for one in answer.get("DeleteMarkers", ())),
        ]
        more = answer["IsTruncated"]
        following = f"{answer['NextKeyMarker']}{_BETWEEN}{answer.get('NextVersionIdMarker', '')}" if more else None
        return Page(tuple(sorted(items)), following)

    def undelete(self, bucket: str, marks: Sequence[Version]) -> None:
        self._delete(bucket, [{"Key": mark.key, "VersionId": mark.id} for mark in marks])

    def hide(self, bucket: str, keys: Sequence[str]) -> None:
        self._delete(bucket, [{"Key": key} for key in keys])

    def _delete(self, bucket: str, objects: list[ObjectIdentifierTypeDef]) -> None:
        if not objects:
            return
        with translated("the object store", _error):
            answer = self._client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if failed := answer.get("Errors"):
            first = failed[0]
            raise Unavailable(f"the object store refused {len(failed)} deletions: {first['Code']} on {first['Key']}")


def _error(code: str) -> Exception | None:
    return NotFound("there is no such bucket") if code in ("NoSuchBucket", "404") else None
