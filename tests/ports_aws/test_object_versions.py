"""R8: versions of objects, on moto in this process and on an engine over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from moto import mock_aws

from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.ids import new_id
from chalicelib.ports.aws.object_versions import S3ObjectVersions
from chalicelib.ports.object_versions import Version

from .adapters import OBJECTS, engine_clients, moto_clients
from .resources import create_bucket

Made = tuple[Any, str]


@pytest.fixture(params=list(OBJECTS))
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    """A client, and a bucket that keeps versions: `x/a` was deleted, `x/b` and `x/c` are there."""
    bucket = f"versions-{new_id().lower()}"
    in_process = request.param == "moto"
    with mock_aws() if in_process else nullcontext():
        client = (moto_clients() if in_process else engine_clients("objects")).s3
        create_bucket(client, bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for key in ("x/a", "x/b", "x/c", "y"):
            client.put_object(Bucket=bucket, Key=key, Body=key.encode())
        client.delete_object(Bucket=bucket, Key="x/a")
        yield client, bucket


def listed(versions: S3ObjectVersions, bucket: str, after: str = "") -> list[Version]:
    found: list[Version] = []
    page = versions.page(bucket, "x/", after=after)
    while True:
        found += page.items
        if page.next is None:
            return found
        page = versions.page(bucket, "x/", cursor=page.next)


@pytest.mark.parametrize("page_versions", [1, 2, 1000])
def test_every_version_is_met_once_whatever_a_page_holds(made: Made, page_versions: int) -> None:
    found = listed(S3ObjectVersions(made[0], page_versions=page_versions), made[1])
    told = sorted((one.key, one.newest, one.deletion) for one in found)
    assert told == [("x/a", False, False), ("x/a", True, True), ("x/b", True, False), ("x/c", True, False)]


def test_what_was_deleted_is_seen_again_and_what_is_hidden_can_be(made: Made) -> None:
    client, bucket = made
    versions = S3ObjectVersions(client)
    versions.undelete(bucket, [one for one in listed(versions, bucket) if one.deletion])
    versions.hide(bucket, ["x/b", "x/c"])
    assert [found["Key"] for found in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["x/a", "y"]
    assert client.get_object(Bucket=bucket, Key="x/a")["Body"].read() == b"x/a"
    versions.undelete(bucket, [one for one in listed(versions, bucket) if one.deletion])
    assert client.get_object(Bucket=bucket, Key="x/b")["Body"].read() == b"x/b"
    versions.undelete(bucket, [])
    versions.hide(bucket, [])


def test_a_listing_goes_on_behind_a_key(made: Made) -> None:
    assert "x/c" in {one.key for one in listed(S3ObjectVersions(made[0]), made[1], after="x/b")}
    assert "x/a" not in {one.key for one in listed(S3ObjectVersions(made[0]), made[1], after="x/b")}


def test_a_bucket_says_whether_it_keeps_versions(made: Made) -> None:
    client, bucket = made
    versions = S3ObjectVersions(client)
    assert versions.kept(bucket)
    create_bucket(client, f"{bucket}-not")
    assert not versions.kept(f"{bucket}-not")
    with pytest.raises(NotFound):
        versions.kept(f"{bucket}-none")
