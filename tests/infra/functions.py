"""The functions and the gateway as AWS runs them, on moto: each a process of its own, whose calls are recorded.

    with functions() as aws:
        aws.api(stack, sent)         a `management.Carrier`: API Gateway asks `api_handler`
        with aws.clients(host) as …  the gateway, asked by HTTP
        aws.wake("sweep")            a schedule fires
        aws.settle()                 events of objects, messages, schedules, until nothing is left to do

One thread for all: moto loses writes under concurrency.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, ParamSpec, TypeVar

import boto3
import httpx
import pytest
from chalice.local import LambdaContext
from moto import mock_aws

import app as service
import gateway
from chalicelib.caching import upstreams
from chalicelib.edge.asgi import Application
from chalicelib.edge.tally import Flushing
from chalicelib.kernel.settings import Settings
from chalicelib.migration import steps as migration_steps
from chalicelib.ports import keys
from chalicelib.ports.aws.clients import open_clients
from chalicelib.ports.aws.stack import open_aws_stack
from chalicelib.ports.memory import EpochCache
from chalicelib.ports.stack import Stack
from chalicelib.remotes import service as remotes
from tests.api.carriers import api_gateway
from tests.management import Reply, Sent
from tests.ports_aws.adapters import REQUIRED
from tests.ports_aws.emulators import environment_of, installed, table_engine
from tests.ports_aws.quick_moto import holds_messages
from tests.ports_aws.resources import create_bucket, create_resources, queue_names
from tests.ports_aws.short_way import by_the_short_way
from tests.stacks import FrozenClock

from .recording import Record, recording

P = ParamSpec("P")
T = TypeVar("T")

DOMAIN: Final = "registry.test"
SECRET: Final = "0123456789abcdef" * 2
SCHEDULES: Final = ("announce", "life", "retention", "seal_audit", "sweep", "vulnerability_database")
CONSUMERS: Final = tuple(queue_names())
# Containers are given the secret when they start; functions fetch it, but for one that has another, if any.
_GIVEN: Final = {"gateway": {"secret_key": SECRET}, "vulnerability_database": {"keys_secret": ""}}
# More rounds than anything here takes.
_MOST_ROUNDS: Final = 300


@dataclass
class Functions:
    """stack: nobody's, to make and look at things with; its calls are not recorded."""

    record: Record
    settings: Settings
    clock: FrozenClock
    stack: Stack
    variables: pytest.MonkeyPatch
    disks: Path
    _processes: dict[str, Stack] = field(default_factory=dict)

    def process(self, name: str) -> Stack:
        """Ports of a function's process. It remembers nothing of the tables, in which others wrote meanwhile."""
        if name not in self._processes:
            given = _GIVEN.get(name, {})
            opened = open_aws_stack(self.settings.model_copy(update=given), self.clock)
            self._processes[name] = replace(opened, read=_at_once, write=_at_once)
        process = self._processes[name]
        object.__setattr__(process, "memory", EpochCache(process.table))
        return process

    def make_bucket(self, name: str) -> None:
        create_bucket(boto3.client("s3"), name)

    def close(self) -> None:
        for opened in (*self._processes.values(), self.stack):
            opened.close()

    def api(self, _stack: Stack, sent: Sent) -> Reply:
        process = self.process("api_handler")
        with self.record.acting("api_handler"):
            self.variables.setattr(service, "stack", lambda: process)
            return api_gateway(process, sent)

    @contextmanager
    def clients(self, label: str, peer: str = "127.0.0.1") -> Iterator[Clients]:
        """Of the instance at that label. The gateway starts before and ends after them."""
        gate = gateway.build(self.process("gateway"))
        transport = httpx.ASGITransport(gate, client=(peer, 50000))
        with asyncio.Runner() as runner:
            client = httpx.AsyncClient(transport=transport, base_url=f"https://{label}.{DOMAIN}")
            opened = Clients(self.record, runner, client)
            opened.run(_lifespan(gate, "startup"))
            try:
                yield opened
            finally:
                opened.run(_lifespan(gate, "shutdown"))

    def wake(self, function: str) -> None:
        self.call(function, _from_bridge("aws.events", "Scheduled Event", {}))

    def object_created(self, bucket: str, key: str) -> None:
        detail = {"bucket": {"name": bucket}, "object": {"key": key}}
        self.call("object_created", _from_bridge("aws.s3", "Object Created", detail))

    def call(self, function: str, event: Mapping[str, Any]) -> Any:
        process, disk = self.process(function), self.disks / function
        disk.mkdir(exist_ok=True)
        with self.record.acting(function):
            # Each has a disk of its own, on which nothing lies that another has fetched.
            self.variables.setattr(tempfile, "tempdir", str(disk))
            self.variables.setattr(service, "stack", lambda: process)
            return service.app.handler_map[function](event, LambdaContext(function, memory_size=512))

    def settle(self) -> None:
        """Everything that follows by now. Fails where a message does."""
        for _ in range(_MOST_ROUNDS):
            brought = self._bring()
            if brought:
                continue
            for schedule in SCHEDULES:
                self.wake(schedule)
            if not self._bring():
                return
        raise AssertionError("the background goes round in circles")

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.settle()

    def _bring(self) -> int:
        pushes, self.record.pushes[:] = self.record.pushes[:], []
        for bucket, key in pushes:
            self.object_created(bucket, key)
        return len(pushes) + sum(self._consume(queue) for queue in CONSUMERS)

    def _consume(self, queue: str) -> int:
        if not holds_messages(self.settings.region, self.settings.queue_prefix + queue):
            return 0
        deliveries = self.stack.queues.receive(queue, most=10 if queue == "collection" else 1)
        if deliveries:
            records = [
                {"messageId": one.id, "body": one.body, "attributes": {}, "messageAttributes": {},
                 "receiptHandle": one.receipt, "eventSource": "aws:sqs",
                 "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{self.settings.queue_prefix}{queue}"}
                for one in deliveries
            ]  # fmt: skip
            answer = self.call(queue, {"Records": records})
            failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
            broken = [one.body for one in deliveries if one.id in failed and not self._nobodys_task(one.body)]
            assert broken == [], f"{queue}: {broken}"
            self.stack.queues.complete(deliveries)
        return len(deliveries)

    def _nobodys_task(self, body: str) -> bool:
        """Whether a message is for one of the tasks that examples of the API make up: it says nothing to be done."""
        message = json.loads(body)
        if not message["type"].startswith("Continue"):
            return False
        task = self.stack.table.get(keys.task(message["instance_id"], message["task_id"]))
        return task is None or not task["work"]


@dataclass(frozen=True)
class Clients:
    """HTTP clients of one instance."""

    record: Record
    runner: asyncio.Runner
    client: httpx.AsyncClient

    def ask(self, method: str, path: str, *wanted: int, **more: Any) -> httpx.Response:
        """wanted: statuses, one of which must come."""
        answer = self.run(self.client.request(method, path, **more))
        assert not wanted or answer.status_code in wanted, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        with self.record.acting("gateway"):
            return self.runner.run(coroutine)


@contextmanager
def functions(vulndb_source: str = "") -> Iterator[Functions]:
    settings = Settings(
        stack="aws",
        region="eu-central-1",
        domain=DOMAIN,
        keys_secret="keys",
        allow_private_addresses=True,
        access_log=False,
        vulndb_source=vulndb_source,
    )
    with ExitStack() as opening:
        # moto copies every table for each transaction, which takes minutes of a run: an engine is quicker.
        folder = Path(opening.enter_context(TemporaryDirectory()))
        tables = opening.enter_context(table_engine(folder)) if REQUIRED or installed("dynoxide") else ""
        opening.enter_context(by_the_short_way(tables) if tables else nullcontext())
        opening.enter_context(mock_aws())
        variables = opening.enter_context(pytest.MonkeyPatch.context())
        record = opening.enter_context(recording(settings))
        for name, value in environment_of(tables).items():
            variables.setenv(name, value)
        create_resources(open_clients(), settings)
        _create_secret(settings.keys_secret)
        # A thread would write the gateway's counts while somebody else acts; it writes them when it ends.
        variables.setattr(Flushing, "start", lambda flushing: None)
        _never_pause(variables)
        clock = FrozenClock()
        opened = Functions(record, settings, clock, open_aws_stack(settings, clock), variables, folder)
        try:
            yield opened
        finally:
            opened.close()


def _never_pause(variables: pytest.MonkeyPatch) -> None:
    """Where a registry elsewhere does not answer, which takes half a minute of each run."""
    _, *others = migration_steps.step.__defaults__ or ()
    variables.setattr(migration_steps.step, "__defaults__", (lambda _seconds: None, *others))
    variables.setattr(remotes, "LONGEST_PAUSE_S", 0.0)
    variables.setattr(upstreams, "_LONGEST_PAUSE_S", 0.0)


def _create_secret(name: str) -> None:
    boto3.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps({"secret_key": SECRET}))


def _from_bridge(source: str, detail_type: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": detail_type,
        "source": source,
        "account": "123456789012",
        "time": "2026-01-31T08:00:00Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    }


async def _at_once(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return function(*args, **kwargs)


async def _lifespan(application: Application, event: str) -> None:
    came = iter([{"type": f"lifespan.{event}"}])

    async def receive() -> dict[str, Any]:
        message = next(came, None)
        return message if message is not None else await asyncio.Future()

    ended = asyncio.Event()

    async def send(_message: Any) -> None:
        ended.set()

    living = asyncio.ensure_future(application({"type": "lifespan"}, receive, send))
    await ended.wait()
    living.cancel()
