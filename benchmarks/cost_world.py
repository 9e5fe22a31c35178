"""An instance on the AWS stack, on moto in this process, whose every call is counted by who makes it.

gateway            requests of registry clients
api                the management API's function
object_created …   the other functions, named as in `app.py`: they are run as AWS would run them, one message at a time

Warm is a second request within the table's epoch, cold the first of one: the epoch changes when it is told to.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

import gateway
from benchmarks.counting import Count, Item, Meter, size_of
from chalicelib.access.service import Access
from chalicelib.chain import CHAIN
from chalicelib.collection.handlers import sweep
from chalicelib.credentials.service import Credentials
from chalicelib.edge.consume import decode, handle, send
from chalicelib.edge.tally import flush_tallies
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel import media
from chalicelib.kernel.messages import Message
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.settings import Settings
from chalicelib.notifications.handlers import announce
from chalicelib.ports import keys
from chalicelib.ports.aws.clients import Clients, open_clients
from chalicelib.ports.aws.items import decode_item, encode_item
from chalicelib.ports.aws.objects import S3Objects
from chalicelib.ports.aws.queues import SqsQueues
from chalicelib.ports.aws.stack import open_aws_stack
from chalicelib.ports.aws.table import DynamoTable
from chalicelib.ports.stack import Stack
from chalicelib.registry import handlers
from chalicelib.repositories.service import Repositories
from tests.management import Api
from tests.ports_aws.adapters import moto_clients
from tests.ports_aws.emulators import environment_of
from tests.ports_aws.quick_moto import holds_messages
from tests.ports_aws.resources import create_bucket, create_resources
from tests.ports_aws.serving import signing_key
from tests.stacks import FrozenClock, make_namespace

LOGIN: Final = ("admin", "correct-horse-battery")
QUEUES: Final = ("tasks", "collection", "scans", "rescans", "conversions", "transfers", "webhooks")
BUCKET: Final = "cost"
_DAY_S: Final = 86_400
_PIECE_BYTES: Final = 64 * 1024
Parts = dict[str, Count]


class SteadyTable(DynamoTable):
    """What it remembers gets old when told to, and not by the clock."""

    turn = 0

    def epoch(self) -> object:
        return self.turn, self._written


class World:
    def __init__(self, stack: Stack, table: SteadyTable, meter: Meter, clock: FrozenClock) -> None:
        self.stack, self.table, self.meter, self.clock = stack, table, meter, clock
        instances = Instances(stack)
        self.instance: Instance = instances.create(
            name="acme", edition="enterprise", bucket=BUCKET, account_id="default", repository_limit=10**6
        )
        self.namespace = make_namespace(stack, self.instance)
        Credentials(stack).create(self.instance, *LOGIN)
        self.loop = asyncio.new_event_loop()
        transport = httpx.ASGITransport(gateway.build(stack), client=("198.51.100.7", 50000))
        address = f"https://{instances.public_address(self.instance)}"
        self.client = httpx.AsyncClient(transport=transport, base_url=address)
        self.bearer = ""
        self._parts: Parts = {}

    # Counting

    @contextmanager
    def operation(self) -> Iterator[Parts]:
        """What is done meanwhile, by who did it."""
        outer, self._parts = self._parts, defaultdict(Count)
        try:
            yield self._parts
        finally:
            self._parts = outer

    def run(self, part: str, act: Callable[[], Any], *, invocations: int = 0) -> Any:
        """In the name of this part of the service."""
        with self.meter.counting() as count:
            answer = act()
        self._parts.setdefault(part, Count()).add(count)
        if invocations:
            self._parts[part].units["invocations"] += invocations
        return answer

    def cold(self) -> None:
        self.table.turn += 1

    # Registry clients

    def ask(self, method: str, path: str, expected: int, **more: Any) -> httpx.Response:
        more["headers"] = {"Authorization": f"Bearer {self.bearer}", **more.get("headers", {})}
        return self._request(method, path, expected, **more)

    def _request(self, method: str, path: str, expected: int, **more: Any) -> httpx.Response:
        answer: httpx.Response = self.run(
            "gateway", lambda: self.loop.run_until_complete(self.client.request(method, path, **more)), invocations=1
        )
        assert answer.status_code == expected, (method, path, answer.status_code, answer.text)
        return answer

    def log_in(self, *scopes: str) -> None:
        """A token, as a client fetches it before each pull or push."""
        answer = self._request("GET", "/token", 200, auth=LOGIN, params={"service": "x", "scope": list(scopes)})
        self.bearer = str(answer.json()["token"])

    def follow(self, path: str) -> None:
        """A layer by the link that the gateway gives; the store that the link leads to answers on its own."""
        self.ask("GET", path, 307)
        self._parts.setdefault("client", Count()).units["s3_read"] += 1

    def push_blob(self, name: str, data: bytes) -> None:
        """As docker does: is it there, then POST, PATCH, PUT."""
        digest = sha256(data)
        self.ask("HEAD", f"/v2/{name}/blobs/{digest}", 404)
        place = self.ask("POST", f"/v2/{name}/blobs/uploads/", 202).headers["location"]
        place = self.ask("PATCH", place, 202, content=_pieces(data)).headers["location"]
        self.ask("PUT", place, 201, params={**httpx.URL(place).params, "digest": digest})

    def push_manifest(self, name: str, tag: str, body: bytes) -> None:
        self.ask("PUT", f"/v2/{name}/manifests/{tag}", 201, content=body, headers={"Content-Type": media.OCI_MANIFEST})

    # What AWS would call

    def bring_events(self, instance: Instance | None = None) -> None:
        """Each push object's event to its function. instance: another one than the world's own."""
        of = instance or self.instance
        found = moto_clients().s3.list_objects_v2(Bucket=of.bucket, Prefix=f"{of.id}/pushes/")
        for key in [entry["Key"] for entry in found.get("Contents", ())]:
            self._function("object_created", functools.partial(self._created, of.bucket, key))

    def _created(self, bucket: str, key: str) -> None:
        self._send(handlers.object_created(self.stack, bucket, key))

    def branch(self) -> Instance:
        """Another instance of the account, in a bucket of its own."""
        create_bucket(moto_clients().s3, "branch")
        return Instances(self.stack).create(
            name="branch", edition="enterprise", bucket="branch", account_id="default", repository_limit=10**6
        )

    def call_api(self, act: Callable[[Api], Any]) -> Any:
        """By somebody who has just signed in, which is not counted."""
        api = Api.signed_in(self.stack)
        return self._function("api_handler", lambda: act(api))

    def drain(self) -> int:
        """Messages to their functions, one at a time, and those that follow. Answers how many there were."""
        brought = 0
        for queue in QUEUES:
            for body in iter(functools.partial(_receive, self.stack.settings.queue_prefix + queue), None):
                self._function(queue, functools.partial(self._message, queue, body))
                # The mapping asks for a message and deletes it.
                self._parts[queue].units["sqs"] += 2
                brought += 1
        return brought

    def _message(self, queue: str, body: str) -> None:
        classes = [known for known in CHAIN if known.queue == queue]
        handle(self.stack, decode(body, classes), CHAIN)

    def pass_days(self, *days: int) -> None:
        """Does all that has fallen due after each of these. What the schedules cost that find it is the service's own
        cost."""
        for some in days:
            self.clock.advance(some * _DAY_S)
            while self._due():
                self.drain()

    def _due(self) -> bool:
        found: Sequence[Message] = [*sweep(self.stack), *announce(self.stack)]
        if found:
            self.run("sweep", lambda: self._send(found))
        return bool(found)

    def _send(self, messages: Sequence[Message]) -> None:
        send(self.stack, messages, CHAIN)

    def _function(self, name: str, act: Callable[[], Any]) -> Any:
        def whole() -> Any:
            answer = act()
            flush_tallies(self.stack)
            return answer

        return self.run(name, whole, invocations=1)

    # More of what there is

    def restrict(self) -> None:
        """Only some addresses may pull from now on, so that bytes pass through the gateway."""
        Access(self.stack).add(self.instance, "198.51.100.0/24")

    def open_to_everyone(self) -> None:
        access = Access(self.stack)
        for entry in access.entries(self.instance):
            access.remove(self.instance, entry.id, open_to_everyone=True)

    def multiply_tag(self, repository: str, copies: int) -> None:
        """Further tags of the image that was pushed last, as pushes would leave them."""
        found = Repositories(self.stack).get(self.instance.id, RepositoryName.parse(repository), fresh=True)
        newest = self.table.query(keys.pushed_order(found.id), index="i1", limit=1, descending=True).items[0]
        for number in range(copies):
            name = f"{newest['name']}.{number}"
            hold = keys.hold(found.id, newest["digest"], "TAG", name)
            moved = {**keys.tag(found.id, name)._asdict(), "name": name, "i1sk": f"{newest['pushed_at']}#{name}"}
            self._put({**newest, **moved})
            self._put({**hold._asdict(), "digest": newest["digest"], "kind": "TAG", "owner": name, "index": ""})

    def _put(self, item: Item) -> None:
        """Uncounted, and past moto's own front."""
        _tables()[self.stack.settings.table].put_item(encode_item(item))

    def known_ids(self, repository: str) -> dict[str, str]:
        """Ids that other work shares, and what each is."""
        found = Repositories(self.stack).get(self.instance.id, RepositoryName.parse(repository), fresh=True)
        label = Instances(self.stack).public_address(self.instance).partition(".")[0]
        return {
            self.instance.id: "instance",
            label: "instance",
            found.id: "repository",
            self.namespace.id: "namespace",
        }

    def stored_bytes(self) -> dict[str, int]:
        """Bytes that DynamoDB charges for: rows, and each index they are in, with 100 bytes for each entry."""
        client = moto_clients().dynamodb
        sizes = {}
        for table in (self.stack.settings.table, self.stack.settings.audit_table):
            items = [decode_item(item) for item in client.scan(TableName=table)["Items"]]
            sizes[table] = sum((size_of(item) + 100) * (1 + ("i1pk" in item) + ("i2pk" in item)) for item in items)
        return sizes

    def close(self) -> None:
        self.loop.run_until_complete(self.client.aclose())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


@contextmanager
def opened() -> Iterator[World]:
    settings = Settings(
        stack="aws",
        region="eu-central-1",
        bucket=BUCKET,
        domain="registry.example.com",
        signing_key=signing_key(),
        secret_key="0123456789abcdef" * 2,
    )
    clock = FrozenClock()
    with mock_aws(), pytest.MonkeyPatch.context() as variables:
        for name, value in environment_of().items():
            variables.setenv(name, value)
        create_resources(moto_clients(), settings)
        clients = open_clients()
        table = SteadyTable(clients.dynamodb, settings.table)
        meter = Meter(clients, _look)
        with open_aws_stack(settings, clock) as base:
            world = World(_on(base, clients, table), table, meter, clock)
            try:
                yield world
            finally:
                world.close()
        clients.close()


def _on(base: Stack, clients: Clients, table: SteadyTable) -> Stack:
    """The same stack on clients that are counted."""
    return replace(
        base,
        table=table,
        audit=DynamoTable(clients.dynamodb, base.settings.audit_table),
        objects=functools.cache(lambda bucket: S3Objects(clients.s3, bucket)),
        queues=SqsQueues(clients.sqs, base.settings.queue_prefix),
    )


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    """As a socket brings them."""
    for start in range(0, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]


def _tables() -> Any:
    return dynamodb_backends[DEFAULT_ACCOUNT_ID][environment_of()["AWS_REGION"]].tables


def _look(table: str, pk: str, sk: str) -> Item | None:
    """Past moto's own front, which takes ten times as long."""
    found = _tables()[table].get_item(DynamoType({"S": pk}), DynamoType({"S": sk}))
    return decode_item(found.to_json()["Attributes"]) if found else None


def _receive(queue: str) -> str | None:
    """The next message's body; it is deleted as the mapping would."""
    client = moto_clients().sqs
    if not holds_messages(client.meta.region_name, queue):
        return None
    url = client.get_queue_url(QueueName=queue)["QueueUrl"]
    for message in client.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages", ()):
        client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return str(message["Body"])
    return None


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def image(config: bytes, *layers: bytes) -> bytes:
    """The manifest, as docker writes it."""

    def descriptor(data: bytes, media_type: str) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}

    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "config": descriptor(config, media.OCI_CONFIG),
            "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip") for layer in layers],
        },
        indent=3,
    ).encode()
