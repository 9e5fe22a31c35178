"""Opening, paying and the life of an instance on DynamoDB and S3 (moto in process): one story."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from moto import mock_aws

from chalicelib.billing.lives import Lives
from chalicelib.instances.service import Instances
from chalicelib.kernel.messages import ReleaseInstance
from chalicelib.ports.aws.clients import Clients
from chalicelib.ports.aws.objects import S3Objects
from chalicelib.ports.aws.ownership import S3Ownership
from chalicelib.ports.aws.table import DynamoTable
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.ports_aws.adapters import moto_clients
from tests.ports_aws.resources import create_bucket, create_table
from tests.stacks import FrozenClock, embedded_stack

CUSTOMERS, STRANGERS = "customers-images", "strangers-images"
DAY_S = 86_400
NEW = {
    "name": "ci",
    "edition": "enterprise",
    "bucket": CUSTOMERS,
    "username": "robot",
    "password": "a-good-long-password-7",
    "months": 1,
    "auto_renew": True,
}


@pytest.fixture
def clients() -> Iterator[Clients]:
    with mock_aws():
        opened = moto_clients()
        create_table(opened.dynamodb, "rooms")
        for bucket in (CUSTOMERS, STRANGERS):
            create_bucket(opened.s3, bucket)
        tags = {"TagSet": [{"Key": "crs:account", "Value": "default"}, {"Key": "team", "Value": "seven"}]}
        opened.s3.put_bucket_tagging(Bucket=CUSTOMERS, Tagging=tags)  # type: ignore[arg-type]
        yield opened


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock, clients: Clients) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened:
        yield replace(
            opened,
            table=DynamoTable(clients.dynamodb, "rooms"),
            objects=partial(S3Objects, clients.s3),
            ownership=S3Ownership(lambda: clients.s3),
        )


def test_from_the_opening_to_the_end(stack: Stack, clock: FrozenClock, clients: Clients) -> None:
    """I1, I2, I4, I5, I6"""
    api = Api.signed_in(stack)
    assert api.post("/instances", NEW).code == "BALANCE_TOO_LOW"
    assert api.post("/account/top-ups", {"amount": 3000}).status == 201

    # A bucket that does not name the account is none of its buckets, whether it is there or not.
    for bucket in (STRANGERS, "nowhere-at-all"):
        refused = api.post("/instances", {**NEW, "bucket": bucket})
        assert [one["field"] for one in refused.json()["errors"]] == ["bucket"]
    opened = api.post("/instances", NEW)
    assert opened.status == 201, opened.text
    assert api.post("/instances", NEW).status == 409
    assert [one["name"] for one in api.get("/buckets").json()["items"]] == [CUSTOMERS]
    tags = clients.s3.get_bucket_tagging(Bucket=CUSTOMERS)["TagSet"]
    assert sorted(tag["Key"] for tag in tags) == ["crs:account", "team"]
    assert stack.objects(CUSTOMERS).list("").items == ()

    bought = api.post("/instances/ci/quota-packs", {"repository_packs": 1}).json()
    assert (bought["order"]["amount"], bought["repository_packs"]) == (100.0, 1)
    assert api.post("/instances/ci/renewals", {"months": 1}).json()["expires_at"] == "2026-03-31T08:00:00.000000Z"
    assert api.get("/account").json()["balance"] == 3000 - 780 - 100 - 880

    clock.advance(58 * DAY_S)
    assert Lives(stack).advance() == []
    renewed = Instances(stack).named("default", "ci")
    assert renewed.expires_at is not None and renewed.expires_at.isoformat() == "2026-04-30T08:00:00+00:00"
    newest = Api.signed_in(stack).get("/account/orders").json()["items"][0]
    assert (newest["kind"], newest["automatic"], newest["amount"]) == ("renewal", True, 880.0)
    clock.advance(31 * DAY_S)
    assert Lives(stack).advance() == []
    assert Instances(stack).named("default", "ci").state == "frozen"
    clock.advance(15 * DAY_S)
    (message,) = Lives(stack).advance()
    assert isinstance(message, ReleaseInstance)
    releasing = Instances(stack).load(renewed.id)
    Instances(stack).forget(releasing)
    assert Api.signed_in(stack).get("/instances").json()["items"] == []


def test_one_personal_instance_an_account(stack: Stack) -> None:
    """I1"""
    api = Api.signed_in(stack)
    personal = {"name": "mine", "edition": "personal", "username": "robot", "password": NEW["password"]}
    assert api.post("/instances", personal).status == 201
    refused = api.post("/instances", {**personal, "name": "second"})
    assert (refused.status, [one["field"] for one in refused.json()["errors"]]) == (409, ["edition"])
