"""A registry that holds as much as is asked for, on either stack, with every call of its ports counted.

Instance `ci` (enterprise, no allowlist, no limit of storage) holds repository `library/app` with the image `v1`. Beside
it lie as many tags, repositories, blobs, referrers and moves of the tag as are asked for.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from moto import mock_aws

import gateway
from chalicelib.credentials.service import Credentials
from chalicelib.instances.models import Instance
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.kernel.settings import Settings
from chalicelib.ports import keys
from chalicelib.ports.aws.calls import Calls as Repeats
from chalicelib.ports.aws.clients import Clients, open_clients
from chalicelib.ports.aws.objects import S3Objects
from chalicelib.ports.aws.stack import open_aws_stack
from chalicelib.ports.aws.table import DynamoTable
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Put
from chalicelib.registry import store
from chalicelib.registry.models import HeadRecord, ManifestRecord, TagRecord
from chalicelib.repositories.models import Repository
from chalicelib.repositories.store import creation
from tests.ports_aws.adapters import REQUIRED, moto_clients
from tests.ports_aws.emulators import environment_of, installed, table_engine
from tests.ports_aws.resources import create_resources
from tests.ports_aws.serving import signing_key
from tests.ports_aws.short_way import by_the_short_way
from tests.registry.library import CONFIG, Library
from tests.stacks import BUCKET, FrozenClock, embedded_stack, make_instance, make_namespace

from .counting import Calls, counted

LOGIN: Final = ("admin", "correct-horse-battery")
APP: Final = RepositoryName("library/app")
TAG: Final = TagName("v1")
LAYERS: Final = (b"one", b"two")
CONFIG_BYTES: Final = json.dumps(CONFIG).encode()
# Of everything; moto takes 10 ms a row.
_MOST_ON_MOTO: Final = 100
LARGE: Final[dict[str, Any]] = {"annotations": {"note": "x" * 20_000}}


@dataclass
class World:
    """
    plain      the stack past the counting
    stack      the same, counted, as the gateway has it
    forget     makes what the process remembers stale, as time or a write elsewhere does
    lenient    refusals are answers too
    """

    plain: Stack
    stack: Stack
    calls: Calls
    instance: Instance
    forget: Callable[[], None]
    lenient: bool = False
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.serve_anew()

    def serve_anew(self) -> None:
        """A process that has just begun: it knows nothing."""
        self.serve(counted(self.plain, self.calls))

    def serve(self, stack: Stack) -> None:
        """On these ports from now on."""
        self.stack = stack
        transport = httpx.ASGITransport(gateway.build(self.stack))
        host = f"{self.instance.label}.{self.plain.settings.domain}"
        self.client = httpx.AsyncClient(transport=transport, base_url=f"http://{host}:5000")

    @property
    def library(self) -> Library:
        return Library(self.plain, self.instance)

    def ask(
        self, method: str, path: str, *, scope: str = "repository:library/app:pull,push", **more: Any
    ) -> httpx.Response:
        """With a token for the scope; scope "": without credentials."""
        if scope and "auth" not in more:
            more["headers"] = {**more.get("headers", {}), "authorization": f"Bearer {self.token(scope)}"}
        answer = self.loop.run_until_complete(self.client.request(method, path, **more))
        self.require(answer.status_code, f"{method} {path}: {answer.text}")
        return answer

    def require(self, status: int, told: str) -> None:
        assert self.lenient or status < 400, f"{status} {told}"

    def token(self, scope: str) -> str:
        if scope not in self._tokens:
            answer = self.ask("GET", "/token", auth=LOGIN, params={"service": "x", "scope": scope.split(" ")})
            self._tokens[scope] = str(answer.json()["token"])
        return self._tokens[scope]

    def count(self, act: Callable[[], object]) -> Counter[str]:
        with self.calls.counting() as made:
            act()
        return made

    def close(self) -> None:
        self.loop.run_until_complete(self.client.aclose())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


@contextmanager
def embedded_world(folder: Path, size: int) -> Iterator[World]:
    with embedded_stack(folder, FrozenClock()) as stack:

        def forget() -> None:
            stack.table.put({"pk": "ELSEWHERE", "sk": new_id()})

        with _world(stack, size, forget) as world:
            yield world


@contextmanager
def moto_world(folder: Path, size: int) -> Iterator[World]:
    """The stack on AWS, where moto answers. One thread alone: moto loses writes of several."""
    with mock_aws(), _on_aws(moto_clients, environment_of(), size) as world:
        yield world


@contextmanager
def engine_world(folder: Path, size: int) -> Iterator[World]:
    """The same, but its tables are an engine's, which finds rows by their keys: moto goes through all there are."""
    with (
        table_engine(folder) as tables,
        by_the_short_way(tables),
        mock_aws(),
        _on_aws(open_clients, environment_of(tables), size) as world,
    ):
        yield world


def aws_world(folder: Path, size: int) -> AbstractContextManager[World]:
    """On moto, but for more than that is quick with where an engine is there."""
    many = size > _MOST_ON_MOTO and (REQUIRED or installed("dynoxide"))
    return engine_world(folder, size) if many else moto_world(folder, size)


@contextmanager
def _on_aws(clients_of: Callable[[], Clients], environment: Mapping[str, str], size: int) -> Iterator[World]:
    now_s = 0.0

    def forget() -> None:
        nonlocal now_s
        now_s += 5

    with pytest.MonkeyPatch.context() as variables:
        for name, value in environment.items():
            variables.setenv(name, value)
        clients, settings = clients_of(), _aws_settings()
        create_resources(clients, settings)
        opened = open_aws_stack(settings, FrozenClock())
        patient = Repeats(sleep=lambda _: None)
        table = DynamoTable(clients.dynamodb, settings.table, patient, monotonic=lambda: now_s)
        objects = partial(S3Objects, clients.s3)
        stack = replace(opened, table=table, objects=objects, read=_in_line, write=_in_line)
        try:
            with _world(stack, size, forget) as world:
                yield world
        finally:
            opened.close()


WORLDS: Final = {"embedded": embedded_world, "aws": aws_world}


async def _in_line(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


def _aws_settings() -> Settings:
    named = {"stack": "aws", "region": "eu-central-1", "bucket": BUCKET, "domain": "registry.test"}
    return Settings.model_validate({**named, "signing_key": signing_key(), "secret_key": "k" * 43})


@contextmanager
def _world(stack: Stack, size: int, forget: Callable[[], None]) -> Iterator[World]:
    instance = make_instance(stack)
    make_namespace(stack, instance)
    make_namespace(stack, instance, "open", default_visibility="public")
    Credentials(stack).create(instance, *LOGIN)
    library = Library(stack, instance)
    _push(library)
    _fill(library, size)
    world = World(stack, stack, Calls(), instance, forget)
    try:
        yield world
    finally:
        world.close()


def _push(library: Library) -> None:
    library.push("v1", layers=LAYERS)
    library.push("open", layers=LAYERS, name=RepositoryName("open/app"))
    library.push_with(CONFIG_BYTES, "large", layers=LAYERS, **LARGE)
    library.handle_events()


def _fill(library: Library, size: int) -> None:
    """Rows as pushes leave them, without pushing."""
    app = library.repository(APP)
    tag = library.registry.tag(app, TAG)
    rows: list[dict[str, Any]] = []
    for number in range(size):
        rows += _more(library, app, tag, number)
    library.stack.table.put_many(rows, relaxed=True)


def _more(library: Library, app: Repository, tag: TagRecord, number: int) -> list[dict[str, Any]]:
    """One more tag of the image, move of its tag, referrer, blob, and repository that holds the image's first layer."""
    stack, instance, name = library.stack, library.instance, f"more-{number:05d}"
    now, digest = to_text(stack.clock.now()), Digest.of(name.encode())
    named = tag.model_copy(update={"name": TagName(name), "push": new_id()})
    referrer = new_manifest_record(app, digest, tag)
    repository = library.repository(APP).model_copy(update={"id": new_id(), "name": RepositoryName(f"library/{name}")})
    layer = Digest.of(LAYERS[0])
    head = HeadRecord(state="L", generation=new_id(), bucket=instance.bucket, key=name, size=len(name))
    return [
        store.tag_item(named),
        store.hold_item(app.id, tag.digest, "TAG", name),
        store.history_item(tag, tag.digest),
        store.referrer_item(referrer, {"number": name}, 1000),
        store.item(keys.head(instance.id, digest), head),
        store.link_item(app.id, digest, now),
        store.edge_item(instance.id, digest, app.id, "MANIFEST", tag.push, tag.digest),
        *(dict(write.item) for write in creation(repository) if isinstance(write, Put)),
        store.link_item(repository.id, layer, now),
        store.edge_item(instance.id, layer, repository.id, "MANIFEST", new_id(), tag.digest),
    ]


def new_manifest_record(app: Repository, digest: Digest, tag: TagRecord) -> ManifestRecord:
    return ManifestRecord(
        repository_id=app.id,
        digest=digest,
        incarnation=new_id(),
        mortal=False,
        media_type=tag.media_type,
        artifact_type="application/example",
        size=10,
        content_size=10,
        body=b"{}",
        blobs=(),
        optional=(),
        children=(),
        subject=tag.digest,
        pushed_at=tag.pushed_at,
        pushed_by="ann",
    )
