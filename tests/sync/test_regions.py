"""Y3. Two regions, each with tables, buckets and queues of its own (moto in process), and a gateway on loopback: what
is pushed in one of them is brought to the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from chalicelib.credentials.service import Credentials
from chalicelib.kernel.names import RepositoryName, TagName
from chalicelib.kernel.settings import Settings
from chalicelib.ports.aws.clients import open_clients
from chalicelib.ports.aws.stack import open_aws_stack
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry
from tests.ports_aws.emulators import environment_of
from tests.ports_aws.resources import create_resources
from tests.ports_aws.serving import signing_key
from tests.registry.images import owner_of
from tests.registry.test_protocol_sockets import Served
from tests.serving import free_port
from tests.stacks import FrozenClock, make_instance, make_namespace

from .estate import Estate

pytestmark = pytest.mark.campaign

PASSWORD = "correct-horse-battery"
REGIONS = ("eu-central-1", "eu-west-1")


@contextmanager
def region(name: str) -> Iterator[Stack]:
    """Clients remember the region that the environment named as they were made."""
    settings = Settings(
        stack="aws",
        region=name,
        bucket=f"crs-{name}",
        signing_key=signing_key(),
        secret_key="0123456789abcdef" * 2,
        allow_private_addresses=True,
    )
    with pytest.MonkeyPatch.context() as variables:
        for variable, value in {**environment_of(), "AWS_REGION": name, "AWS_DEFAULT_REGION": name}.items():
            variables.setenv(variable, value)
        create_resources(open_clients(), settings)
        stack = open_aws_stack(settings, FrozenClock())
        stack.objects(settings.bucket)
    with stack:
        yield stack


@contextmanager
def one_call_at_a_time() -> Iterator[None]:
    """moto's tables are no place for two threads, and the gateway has many."""
    turn, process = threading.Lock(), BotocoreStubber.process_request

    def in_turn(stubber: BotocoreStubber, request: Any) -> Any:
        with turn:
            return process(stubber, request)

    with pytest.MonkeyPatch.context() as replaced:
        replaced.setattr(BotocoreStubber, "process_request", in_turn)
        yield


@pytest.fixture
def regions() -> Iterator[tuple[Stack, Stack]]:
    with ExitStack() as opened:
        opened.enter_context(one_call_at_a_time())
        opened.enter_context(mock_aws())
        first, second = (opened.enter_context(region(name)) for name in REGIONS)
        yield first, second


def test_image_goes_from_one_region_to_another(regions: tuple[Stack, Stack]) -> None:
    """With override on: the tag that moves is moved there too."""
    here, there = regions
    port = free_port()
    far = make_instance(there, "far", bucket=there.settings.bucket)
    make_namespace(there, far, "prod")
    Credentials(there).create(far, "admin", PASSWORD)
    assert far.region == REGIONS[1]
    served = replace(there, settings=there.settings.model_copy(update={"instance_ports": f"{far.id}={port}"}))
    server = Served(served, port)
    try:
        estate = Estate.opened(here)
        login = {"username": "admin", "password": PASSWORD}
        remote = {"name": "west", "address": f"http://127.0.0.1:{port}", **login}
        assert estate.api.post(f"{estate.path}/remotes", remote).status == 201
        estate.rule(target_instance="west", override=True)
        pushed = []
        for layer in (b"one" * 1000, b"two" * 1000):
            pushed.append(estate.push("v1", layer))
            estate.work()
            pulled = Registry(there).pull(owner_of(far), RepositoryName("prod/app"), TagName("v1"))
            assert pulled.digest == pushed[-1]
    finally:
        server.stop()
    assert [task["counts"] for task in estate.tasks()] == [{"copied": 1}, {"copied": 1}]
    assert [record["size"] for task in reversed(estate.tasks()) for record in estate.records(task)] == [3002, 3000]
