"""The stack on AWS, opened."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from chalicelib.kernel.moment import Clock
from chalicelib.kernel.settings import Settings
from chalicelib.ports.objects import Objects
from chalicelib.ports.stack import Runner, Stack
from chalicelib.ports.versioned import VersionedTable

from .clients import open_clients
from .objects import S3Objects
from .ownership import S3Ownership
from .queues import SqsQueues
from .table import DynamoTable

P = ParamSpec("P")
T = TypeVar("T")

# Threads wait for the network nearly all their time. Reads have their own, so that none queues behind a slow upload.
THREADS: Final = 32


def open_aws_stack(settings: Settings, clock: Clock) -> Stack:
    """Opens no connection yet: the first call does. Raises botocore's NoRegionError without a region."""
    clients = open_clients()
    readers = ThreadPoolExecutor(THREADS, thread_name_prefix="read")
    writers = ThreadPoolExecutor(THREADS, thread_name_prefix="write")

    @functools.cache
    def objects(bucket: str) -> Objects:
        return S3Objects(clients.s3, bucket)

    def close() -> None:
        readers.shutdown()
        writers.shutdown()
        clients.close()

    return Stack(
        settings=settings,
        table=VersionedTable(DynamoTable(clients.dynamodb, settings.table)),
        audit=VersionedTable(DynamoTable(clients.dynamodb, settings.audit_table)),
        objects=objects,
        ownership=S3Ownership(lambda: clients.s3),
        queues=SqsQueues(clients.sqs, settings.queue_prefix),
        read=_in_threads(readers),
        write=_in_threads(writers),
        close=close,
        exact=False,
        secrets=functools.partial(_secrets, settings),
        clock=clock,
    )


def _secrets(settings: Settings) -> Mapping[str, str]:
    if not settings.keys and not settings.keys_secret:
        return {}
    from .secrets import parsed, read_secrets

    return parsed(settings.keys) if settings.keys else read_secrets(settings.keys_secret)


def _in_threads(threads: ThreadPoolExecutor) -> Runner:
    def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        # The context travels along, as with asyncio.to_thread: log lines keep their request's id.
        context = contextvars.copy_context()
        call = functools.partial(context.run, function, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(threads, call)

    return run
