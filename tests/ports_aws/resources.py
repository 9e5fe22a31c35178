"""What a deployment makes for the AWS stack, made for tests: tables, bucket, queues. `infra/` does it for real."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.kernel.messages import queues
from chalicelib.kernel.settings import Settings
from chalicelib.ports.aws.clients import Clients, open_clients
from chalicelib.ports.aws.table import INDEX_NAMES


def queue_names() -> list[str]:
    """The queues that messages go to."""
    return sorted(queues())


def create_resources(clients: Clients, settings: Settings, names: Sequence[str] = ()) -> None:
    for table in (settings.table, settings.audit_table):
        create_table(clients.dynamodb, table)
    create_bucket(clients.s3, settings.bucket)
    for queue in names or queue_names():
        create_queue(clients.sqs, settings.queue_prefix + queue)


def create_table(client: Any, name: str) -> None:
    parts = ["pk", "sk", *(f"{index}{part}" for index in INDEX_NAMES for part in ("pk", "sk"))]
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": part, "AttributeType": "S"} for part in parts],
        KeySchema=_schema("pk", "sk"),
        GlobalSecondaryIndexes=[
            {
                "IndexName": name_of_index,
                "KeySchema": _schema(f"{index}pk", f"{index}sk"),
                "Projection": {"ProjectionType": "ALL"},
            }
            for index, name_of_index in INDEX_NAMES.items()
        ],
    )
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})


def create_bucket(client: Any, name: str) -> None:
    region = client.meta.region_name
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client.create_bucket(Bucket=name, **place)
    # Not every emulator knows EventBridge; those who need its events notice.
    with suppress(ClientError):
        client.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )


def create_queue(client: Any, name: str) -> None:
    """A queue and its dead letters, which a message joins after five attempts."""
    dead = client.create_queue(QueueName=f"{name}-dead", Attributes={"MessageRetentionPeriod": str(14 * 86400)})
    described = client.get_queue_attributes(QueueUrl=dead["QueueUrl"], AttributeNames=["QueueArn"])
    redrive = {"deadLetterTargetArn": described["Attributes"]["QueueArn"], "maxReceiveCount": "5"}
    client.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(redrive)})


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


if __name__ == "__main__":
    create_resources(open_clients(), Settings.from_environment(os.environ))
