"""The clients of AWS, made once per process, and what their errors mean.

Region, endpoints and credentials come from the usual environment of AWS (`AWS_REGION`, `AWS_ENDPOINT_URL`, …).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import boto3
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


@dataclass(frozen=True)
class Clients:
    dynamodb: DynamoDBClient
    s3: S3Client
    sqs: SQSClient

    def close(self) -> None:
        for client in (self.dynamodb, self.s3, self.sqs):
            client.close()


def open_clients() -> Clients:
    """Raises botocore's NoRegionError where the environment names no region."""
    session = boto3.session.Session(region_name=os.environ.get("AWS_REGION"))
    return Clients(
        dynamodb=session.client("dynamodb", config=_DYNAMODB),
        s3=session.client("s3", config=_S3),
        sqs=session.client("sqs", config=_SQS),
    )


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
