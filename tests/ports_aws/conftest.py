"""Clients on moto, in this process. One thread only: moto loses writes under concurrency."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Self

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto import mock_aws

from chalicelib.kernel.settings import Settings
from chalicelib.ports.aws.calls import Calls
from chalicelib.ports.aws.clients import Clients
from chalicelib.ports.aws.objects import S3Objects
from chalicelib.ports.aws.queues import SqsQueues
from chalicelib.ports.aws.table import DynamoTable

from .adapters import moto_clients
from .emulators import environment_of
from .resources import create_resources

SETTINGS = Settings(stack="aws", region="eu-central-1")


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    for name, value in environment_of().items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        opened = moto_clients()
        create_resources(opened, SETTINGS, ["work"])
        yield opened


@pytest.fixture
def faults(clients: Clients) -> Iterator[Faults]:
    with Faults(clients) as made:
        yield made


@pytest.fixture
def table(clients: Clients) -> DynamoTable:
    return DynamoTable(clients.dynamodb, SETTINGS.table, Calls(sleep=lambda _: None))


@pytest.fixture
def objects(clients: Clients) -> S3Objects:
    return S3Objects(clients.s3, SETTINGS.bucket)


@pytest.fixture
def queues(clients: Clients) -> SqsQueues:
    return SqsQueues(clients.sqs, SETTINGS.queue_prefix)


class Faults:
    """Goes between the clients and their services, for the next calls of one operation."""

    def __init__(self, clients: Clients) -> None:
        self._events: dict[str, Any] = {
            "dynamodb": clients.dynamodb.meta.events,
            "s3": clients.s3.meta.events,
            "sqs": clients.sqs.meta.events,
        }
        self._registered = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._registered.close()

    def after(self, operation: str, error: Exception, times: int = 1) -> None:
        """The call takes effect, then the answer is lost."""
        self._register("after-call", operation, lambda **_: _throw(error), times)

    def before(self, operation: str, error: Exception, times: int = 1) -> None:
        """The call does not get through."""
        self._register("before-call", operation, lambda **_: _throw(error), times)

    def again(self, operation: str) -> None:
        """The call takes effect, the answer is lost, and botocore sends the call a second time by itself."""
        self._register("needs-retry", operation, lambda **_: 0, 1)

    def answer(self, operation: str, status: int, parsed: dict[str, Any], times: int = 1) -> None:
        """The service answers so instead of doing anything."""
        answer = AWSResponse("", status, HTTPHeaders(), None)
        metadata = {"ResponseMetadata": {"HTTPStatusCode": status}}
        self._register("before-call", operation, lambda **_: (answer, parsed | metadata), times)

    def refuse(self, operation: str, status: int, code: str, times: int = 1, **more: Any) -> None:
        self.answer(operation, status, {"Error": {"Code": code, "Message": code}} | more, times)

    def watch(self, event: str, look: Callable[..., Any]) -> None:
        events = self._events[event.split(".")[1]]
        events.register_first(event, look)
        self._registered.callback(events.unregister, event, look)

    def _register(self, event: str, operation: str, act: Callable[..., Any], times: int) -> None:
        left = times

        def handler(**arguments: Any) -> Any:
            nonlocal left
            if left == 0:
                return None
            left -= 1
            return act(**arguments)

        self.watch(f"{event}.{operation}", handler)


def _throw(error: Exception) -> None:
    raise error
