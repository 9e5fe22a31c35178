"""The clients of AWS, made once per process, and what their errors mean.

Region, endpoints and credentials come from the usual environment of AWS (`AWS_REGION`, `AWS_ENDPOINT_URL`, …).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
)

from chalicelib.kernel.errors import Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

# Two pools of threads call at once, see `stack`; a pool of connections below that would make them wait.
CONNECTIONS: Final = 72

# DynamoDB answers in milliseconds or not at all. botocore's retries are off, because a condition that fails on a
# second try says nothing while the first may have taken effect: `calls` repeats what may be repeated.
_DYNAMODB: Final = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"total_max_attempts": 1, "mode": "standard"},
    max_pool_connections=CONNECTIONS,
    tcp_keepalive=True,
    parameter_validation=False,
)
# A multipart upload of thousands of parts, or a copy, takes S3 many seconds to complete. Checksums are sent where
# `objects` says so; reading needs none of S3's, since whoever pulls checks the digest.
_S3: Final = Config(
    connect_timeout=2,
    read_timeout=60,
    retries={"total_max_attempts": 4, "mode": "standard"},
    max_pool_connections=CONNECTIONS,
    tcp_keepalive=True,
    signature_version="s3v4",
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
# Longer than the longest wait for a message, 20 s.
_SQS: Final = Config(
    connect_timeout=2,
    read_timeout=30,
    retries={"total_max_attempts": 4, "mode": "standard"},
    max_pool_connections=CONNECTIONS,
    tcp_keepalive=True,
)


class Clients:
    """Made when first used: a function that needs no S3 does not load its description. Not before two threads ask.

    Of botocore's own, where boto3 would bring a manager of transfers along that takes as long to load as all of this.
    Each raises NoRegionError where the environment names no region.
    """

    def __init__(self) -> None:
        self._session = botocore.session.get_session()
        self._made: list[BaseClient] = []
        self._making = threading.Lock()

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        return cast("DynamoDBClient", self.make("dynamodb", _DYNAMODB))

    @cached_property
    def s3(self) -> S3Client:
        return cast("S3Client", self.make("s3", _S3))

    @cached_property
    def sqs(self) -> SQSClient:
        return cast("SQSClient", self.make("sqs", _SQS))

    def make(self, service: str, config: Config) -> BaseClient:
        # A session is not for several threads at once; a client is.
        with self._making:
            client = self._session.create_client(service, region_name=os.environ.get("AWS_REGION"), config=config)
            self._made.append(client)
            return client

    def close(self) -> None:
        for client in self._made:
            client.close()


def open_clients() -> Clients:
    return Clients()


def code_of(error: Exception) -> str:
    """AWS's word for what went wrong, empty if the service never answered."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def never_sent(error: Exception) -> bool:
    """Whether the call surely had no effect: no connection, or not even a request, was made."""
    failed_before = isinstance(error, BotoCoreError) and not isinstance(error, HTTPClientError)
    return failed_before or isinstance(error, ConnectTimeoutError | EndpointConnectionError)


@contextmanager
def translated(store: str, known: Callable[[str], Exception | None]) -> Iterator[None]:
    """Turns what botocore raises into the port's own errors.

    known   the port's error for one of AWS's words, or None; everything else is Unavailable
    """
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        raise known(code) or Unavailable(f"{store} refused the call: {code}") from error
    except BotoCoreError as error:
        raise Unavailable(f"{store} did not answer") from error
