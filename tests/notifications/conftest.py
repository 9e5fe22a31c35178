"""A stack of each kind, an instance in it, its owner, and a server that listens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.instances.models import Instance
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.ports_aws.adapters import open_moto_table
from tests.stacks import FrozenClock, embedded_stack, make_instance, make_namespace, with_table

from .receiver import Receiver, receiving


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def embedded(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock, allow_private_addresses=True) as opened:
        yield opened


@pytest.fixture(params=["embedded", "aws"])
def stack(request: pytest.FixtureRequest, tmp_path: Path, embedded: Stack) -> Iterator[Stack]:
    if request.param == "embedded":
        yield embedded
        return
    with open_moto_table(tmp_path) as table:
        yield with_table(embedded, table)


@pytest.fixture
def instance(stack: Stack) -> Instance:
    made = make_instance(stack)
    make_namespace(stack, made)
    return made


@pytest.fixture
def owner(stack: Stack, instance: Instance) -> Api:
    return Api.signed_in(stack)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


@pytest.fixture
def instance_of_embedded(embedded: Stack) -> Instance:
    return make_instance(embedded)
