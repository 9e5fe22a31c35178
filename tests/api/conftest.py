"""One world for all tests of a module, on each stack and behind each carrier that it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from moto import mock_aws

from chalicelib.kernel.settings import Settings
from chalicelib.ports.aws.stack import open_aws_stack
from chalicelib.ports.embedded.stack import create_bucket as embedded_bucket
from chalicelib.ports.stack import Stack
from tests.ports_aws.adapters import moto_clients
from tests.ports_aws.emulators import environment_of
from tests.ports_aws.resources import create_bucket, create_resources
from tests.ports_aws.serving import signing_key
from tests.stacks import FrozenClock, embedded_stack

from .carriers import api_gateway, chalice_local, served
from .world import World

# Who brings requests to which stack: on AWS it is API Gateway alone.
CARRIED = (
    "api-gateway embedded",
    "chalice-local embedded",
    "socket embedded",
    pytest.param("api-gateway aws", marks=pytest.mark.campaign),
)


@contextmanager
def aws_stack() -> Iterator[Stack]:
    """On moto, in this process: one request at a time."""
    settings = Settings(
        stack="aws",
        region="eu-central-1",
        signing_key=signing_key(),
        secret_key="0123456789abcdef" * 2,
        allow_private_addresses=True,
    )
    with mock_aws(), pytest.MonkeyPatch.context() as variables:
        for name, value in environment_of().items():
            variables.setenv(name, value)
        create_resources(moto_clients(), settings)
        with open_aws_stack(settings, FrozenClock()) as stack:
            yield stack


def bucket_maker(stack: Stack) -> Callable[[str], object]:
    if stack.settings.one_machine:
        return partial(embedded_bucket, stack.settings)
    return partial(create_bucket, moto_clients().s3)


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Stack]:
    with aws_stack() if kind == "aws" else embedded_stack(folder, allow_private_addresses=True) as stack:
        yield stack


@pytest.fixture(scope="module", params=CARRIED)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    carrier, kind = request.param.split()
    with ExitStack() as open_things:
        stack = open_things.enter_context(opened(kind, tmp_path_factory.mktemp("api")))
        if carrier == "socket":
            yield World(stack, bucket_maker(stack), open_things.enter_context(served(stack)))
        else:
            yield World(stack, bucket_maker(stack), api_gateway if carrier == "api-gateway" else chalice_local)
