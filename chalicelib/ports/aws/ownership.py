"""A bucket's tags and events on S3. Both are read, added to and put back whole: S3 has no call that only adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from chalicelib.kernel.errors import Invalid, NotFound
from chalicelib.ports.ownership import TAG

from .clients import code_of, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import TagTypeDef

# S3's oldest region is told by no name, and its second by one of its own.
_FIRST_REGION: Final = "us-east-1"
_OLD_NAMES: Final = {"EU": "eu-west-1"}
_EVENTS: Final = "EventBridgeConfiguration"


class S3Ownership:
    """client   answers S3's client; asked only when a bucket is looked at"""

    def __init__(self, client: Callable[[], S3Client]) -> None:
        self._client = client

    def owner(self, bucket: str) -> str:
        return next((tag["Value"] for tag in self._tags(bucket) if tag["Key"] == TAG), "")

    def adopt(self, bucket: str, account: str) -> None:
        self._require_near(bucket)
        tags = self._tags(bucket)
        if {"Key": TAG, "Value": account} not in tags:
            kept = [tag for tag in tags if tag["Key"] != TAG]
            with translated("the object store", _error):
                self._client().put_bucket_tagging(
                    Bucket=bucket, Tagging={"TagSet": [*kept, {"Key": TAG, "Value": account}]}
                )
        with translated("the object store", _error):
            found: dict[str, Any] = {**self._client().get_bucket_notification_configuration(Bucket=bucket)}
            if _EVENTS in found:
                return
            found.pop("ResponseMetadata", None)
            self._client().put_bucket_notification_configuration(
                Bucket=bucket,
                NotificationConfiguration={**found, _EVENTS: {}},  # type: ignore[typeddict-item]
                SkipDestinationValidation=True,
            )

    def _require_near(self, bucket: str) -> None:
        """Another region's bucket would be written to from here, but its events stay there, and pushes unheard."""
        with translated("the object store", _error):
            place: str = self._client().get_bucket_location(Bucket=bucket).get("LocationConstraint") or _FIRST_REGION
        ours = self._client().meta.region_name
        if _OLD_NAMES.get(place, place) != ours:
            raise Invalid("bucket", f"lies in region {_OLD_NAMES.get(place, place)}; instances here take one of {ours}")

    def _tags(self, bucket: str) -> list[TagTypeDef]:
        with translated("the object store", _error):
            try:
                return list(self._client().get_bucket_tagging(Bucket=bucket)["TagSet"])
            except ClientError as error:
                if code_of(error) == "NoSuchTagSet":
                    return []
                raise


def _error(code: str) -> Exception | None:
    # What this service may not look into is not there for it, and its users learn nothing about strangers' buckets.
    return NotFound("there is no such bucket") if code in ("NoSuchBucket", "404", "AccessDenied", "403") else None
