"""The bucket in which packages lie for CloudFormation: one in each account and region, made when first needed."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import boto3
import click
from botocore.exceptions import ClientError

_CLOSED: Final = dict.fromkeys(
    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
)


class Artefacts:
    """Names of buckets are the world's: nothing is put into one of this name that is not this account's."""

    def __init__(self) -> None:
        self._s3: Any = boto3.client("s3")
        self._account = boto3.client("sts").get_caller_identity()["Account"]
        self.bucket = f"crs-artefacts-{self._account}-{self._s3.meta.region_name}"

    def open(self) -> None:
        """Makes the bucket where there is none. Raises click's ClickException if the name is somebody else's."""
        region = self._s3.meta.region_name
        place: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._s3.create_bucket(Bucket=self.bucket, **place)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "BucketAlreadyExists":
                raise click.ClickException(
                    f"bucket {self.bucket} is another account's: nothing was uploaded"
                ) from error
            if code != "BucketAlreadyOwnedByYou":
                raise
        else:
            self._s3.put_public_access_block(
                Bucket=self.bucket, PublicAccessBlockConfiguration=_CLOSED, ExpectedBucketOwner=self._account
            )

    def put(self, content: bytes, kind: str) -> str:
        """Its key, which says what it holds, so that nothing is uploaded twice."""
        key = f"{hashlib.sha256(content).hexdigest()}.{kind}"
        place = {"Bucket": self.bucket, "Key": key, "ExpectedBucketOwner": self._account}
        try:
            self._s3.head_object(**place)
        except ClientError:
            self._s3.put_object(**place, Body=content)
        return key

    def address(self, key: str) -> str:
        return f"{self._s3.meta.endpoint_url}/{self.bucket}/{key}"
