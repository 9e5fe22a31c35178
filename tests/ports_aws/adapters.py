"""The adapters of AWS as the contract suites open them: on moto in this process, and on the engines of `emulators`.

Each opener answers a port with nothing in it. The engines start with the first test that asks and end with the tests.
"""

from __future__ import annotations

import atexit
import functools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from chalicelib.kernel.ids import new_id
from chalicelib.ports.aws.clients import Clients, open_clients
from chalicelib.ports.aws.objects import S3Objects
from chalicelib.ports.aws.queues import SqsQueues
from chalicelib.ports.aws.table import DynamoTable

from .emulators import environment_of, installed, s3_and_sqs, table_engine
from .quick_moto import be_quick
from .resources import create_bucket, create_queue, create_table

# Where CRS_EMULATORS is `required`, an engine that is missing fails the tests instead of leaving them out.
REQUIRED = os.environ.get("CRS_EMULATORS") == "required"
BUCKETS = ("one", "two")

be_quick()


@contextmanager
def open_moto_table(folder: Path) -> Iterator[DynamoTable]:
    with mock_aws():
        yield _table(moto_clients())


@contextmanager
def open_engine_table(folder: Path) -> Iterator[DynamoTable]:
    yield _table(engine_clients("tables"))


@contextmanager
def open_moto_objects(folder: Path) -> Iterator[Callable[[str], S3Objects]]:
    with mock_aws():
        yield _buckets(moto_clients())


@contextmanager
def open_engine_objects(folder: Path) -> Iterator[Callable[[str], S3Objects]]:
    clients = engine_clients("objects")
    _empty_buckets(clients.s3)
    yield _buckets(clients)


@contextmanager
def open_moto_queues(folder: Path, clock: Any) -> Iterator[SqsQueues]:
    clock.passes = time.sleep
    with mock_aws():
        yield _queues(moto_clients())


@contextmanager
def open_engine_queues(folder: Path, clock: Any) -> Iterator[SqsQueues]:
    clock.passes = time.sleep
    yield _queues(engine_clients("queues"))


@functools.cache
def moto_clients() -> Clients:
    clients = _clients_with(environment_of())
    for operation in ("UploadPart", "CompleteMultipartUpload"):
        clients.s3.meta.events.register(f"provide-client-params.s3.{operation}", _refuse_unknown_upload)
    clients.dynamodb.meta.events.register("provide-client-params.dynamodb.UpdateItem", _name_a_change)
    return clients


@functools.cache
def engine_clients(port: str) -> Clients:
    engines = ExitStack()
    atexit.register(engines.close)
    folder = Path(engines.enter_context(tempfile.TemporaryDirectory()))
    if port == "tables":
        return _clients_with(environment_of(tables=engines.enter_context(table_engine(folder))))
    if port == "queues":
        return engine_clients("objects")
    return _clients_with(environment_of(objects_and_queues=engines.enter_context(s3_and_sqs(folder))))


def _clients_with(environment: dict[str, str]) -> Clients:
    with pytest.MonkeyPatch.context() as variables:
        for name, value in environment.items():
            variables.setenv(name, value)
        opened = open_clients()
        # Made while the environment says where to.
        assert opened.dynamodb and opened.s3 and opened.sqs
        return opened


def _table(clients: Clients) -> DynamoTable:
    name = f"table-{new_id()}"
    create_table(clients.dynamodb, name)
    return DynamoTable(clients.dynamodb, name)


def _buckets(clients: Clients) -> Callable[[str], S3Objects]:
    for bucket in BUCKETS:
        create_bucket(clients.s3, bucket)
    return functools.partial(S3Objects, clients.s3)


def _empty_buckets(client: Any) -> None:
    there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    for bucket in there & set(BUCKETS):
        for found in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
            client.delete_object(Bucket=bucket, Key=found["Key"])
        for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
            client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        client.delete_bucket(Bucket=bucket)


def _queues(clients: Clients) -> SqsQueues:
    prefix = f"{new_id()}-"
    for queue in ("work", "other"):
        create_queue(clients.sqs, prefix + queue)
    return SqsQueues(clients.sqs, prefix)


def _refuse_unknown_upload(params: dict[str, Any], model: Any, **_: Any) -> None:
    """moto dies of a KeyError where S3 answers NoSuchUpload."""
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    if params["UploadId"] not in backend.get_bucket(params["Bucket"]).multiparts:
        metadata = {"HTTPStatusCode": 404}
        raise ClientError(
            {"Error": {"Code": "NoSuchUpload"}, "ResponseMetadata": metadata},  # type: ignore[typeddict-item]
            model.name,
        )


def _name_a_change(params: dict[str, Any], **_: Any) -> None:
    """moto dies of an AttributeError on an update without an expression, which DynamoDB takes."""
    params.setdefault("UpdateExpression", "REMOVE nothing")


# Where moto is wrong and DynamoDB, like the engine, right. Each fails until moto learns it, and then tells.
_CONDITION: Final = "test_a_write_whose_condition_fails_says_what_stands_there[moto-Condition"
_MOTO_GAPS: Final = {
    "test_a_presigned_link_reads_the_object_where_there_is_one[moto]": "moto in process serves no links",
    "test_conditions_on_an_absent_item_fail_unless_they_ask_for_absence[moto]": "takes an absent attribute for NULL",
    f"{_CONDITION}(operator='equals', name='other', ": "takes an absent attribute for NULL",
    f"{_CONDITION}(operator='equals', name='yes', ": "takes true for 1",
    f"{_CONDITION}(operator='equals', name='one', ": "takes true for 1",
    f"{_CONDITION}(operator='equals', name='list', ": "takes true for 1",
    f"{_CONDITION}(operator='at_least', name='s', ": "cannot compare text with a number",
    f"{_CONDITION}(operator='at_most', name='n', value='z', ": "cannot compare text with a number",
    "test_keys_and_items_up_to_the_limit_are_kept[moto]": "counts more bytes than DynamoDB",
    "test_an_update_may_not_grow_an_item_past_the_limit[moto]": "counts more bytes than DynamoDB",
}


def expect_gaps(items: Sequence[pytest.Item]) -> None:
    """Marks the tests of the contract that moto is known to fail."""
    for item in items:
        for name, reason in _MOTO_GAPS.items():
            if item.name.startswith(name):
                # A link would lead to AWS itself.
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True, run="link" not in name))


_ON_TABLE_ENGINE = REQUIRED or installed("dynoxide")
_ON_MINISTACK = REQUIRED or installed("ministack")
TABLES = {"moto": open_moto_table} | ({"dynoxide": open_engine_table} if _ON_TABLE_ENGINE else {})
OBJECTS = {"moto": open_moto_objects} | ({"ministack": open_engine_objects} if _ON_MINISTACK else {})
QUEUES: dict[str, Any] = {"moto": open_moto_queues} | ({"ministack": open_engine_queues} if _ON_MINISTACK else {})
# moto loses writes under concurrency.
CONCURRENT = frozenset({"dynoxide", "ministack"})
