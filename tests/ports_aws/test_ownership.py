"""Whose a bucket is on S3, and that taking it leaves alone what its owner set up."""

from __future__ import annotations

import pytest

from chalicelib.kernel.errors import Invalid, NotFound
from chalicelib.ports.aws.clients import Clients
from chalicelib.ports.aws.ownership import S3Ownership

from .conftest import Faults

BUCKET = "customer"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:theirs"


@pytest.fixture
def ownership(clients: Clients) -> S3Ownership:
    clients.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return S3Ownership(lambda: clients.s3)


def test_a_bucket_names_the_account_that_its_tag_names(ownership: S3Ownership, clients: Clients) -> None:
    """I2"""
    assert ownership.owner(BUCKET) == ""
    clients.s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": "crs:account", "Value": "team"}]})
    assert ownership.owner(BUCKET) == "team"


def test_adopting_keeps_the_tags_and_events_that_are_there(
    ownership: S3Ownership, clients: Clients, faults: Faults
) -> None:
    """I2: merged into what the customer has, never replaced."""
    topics = [{"Id": "theirs", "TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:*"]}]
    clients.s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": "cost", "Value": "42"}]})
    clients.s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={"TopicConfigurations": topics},  # type: ignore[typeddict-item]
        SkipDestinationValidation=True,
    )
    sent: list[dict[str, object]] = []
    put = "provide-client-params.s3.PutBucketNotificationConfiguration"
    faults.watch(put, lambda params, **_: sent.append(params["NotificationConfiguration"]))
    for _ in range(2):
        ownership.adopt(BUCKET, "team")
    assert ownership.owner(BUCKET) == "team"
    tags = clients.s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"]
    assert sorted(tag["Key"] for tag in tags) == ["cost", "crs:account"]
    found = clients.s3.get_bucket_notification_configuration(Bucket=BUCKET)
    assert found["TopicConfigurations"][0]["TopicArn"] == TOPIC
    # moto keeps this part, and leaves it out of what it answers.
    assert all("EventBridgeConfiguration" in configuration for configuration in sent) and sent


@pytest.mark.parametrize(
    ("constraint", "region"), [("us-west-2", "us-west-2"), ("EU", "eu-west-1"), (None, "us-east-1")]
)
def test_a_bucket_of_another_region_is_refused_and_left_as_it_was(
    ownership: S3Ownership, clients: Clients, faults: Faults, constraint: str | None, region: str
) -> None:
    """I2: its events would be told elsewhere."""
    faults.answer("s3.GetBucketLocation", 200, {"LocationConstraint": constraint})
    with pytest.raises(Invalid, match=f"lies in region {region}; instances here take one of eu-central-1"):
        ownership.adopt(BUCKET, "team")
    assert ownership.owner(BUCKET) == ""


def test_what_is_not_there_and_what_is_closed_to_us_read_alike(
    ownership: S3Ownership, clients: Clients, faults: Faults
) -> None:
    """I2: nobody learns by us which buckets strangers have."""
    with pytest.raises(NotFound) as missing:
        ownership.owner("nowhere")
    faults.refuse("s3.GetBucketTagging", 403, "AccessDenied")
    with pytest.raises(NotFound) as closed:
        ownership.owner(BUCKET)
    assert missing.value.message == closed.value.message


def test_what_tells_of_its_objects_already_is_not_configured_again(
    ownership: S3Ownership, clients: Clients, faults: Faults
) -> None:
    """I2"""
    ownership.adopt(BUCKET, "team")
    faults.answer("s3.GetBucketNotificationConfiguration", 200, {"EventBridgeConfiguration": {}})
    sent: list[object] = []
    for operation in ("PutBucketNotificationConfiguration", "PutBucketTagging"):
        faults.watch(f"provide-client-params.s3.{operation}", lambda params, **_: sent.append(params))
    ownership.adopt(BUCKET, "team")
    assert sent == []
