from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.instances.models import Instance
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry
from tests.pull_policies.gated import scanned, set_policy
from tests.stacks import make_instance, make_namespace

from .gate import BASE, OWN, push
from .images import owner_of
from .wire import Wire


@pytest.fixture
def instance(stack: Stack) -> Instance:
    instance = make_instance(stack)
    make_namespace(stack, instance)
    return instance


@pytest.fixture
def registry(stack: Stack) -> Registry:
    return Registry(stack)


@pytest.fixture
def caller(instance: Instance) -> Caller:
    return owner_of(instance)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    served = Wire(tmp_path)
    yield served
    served.close()


@pytest.fixture(scope="module")
def calm_wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """One for all tests of a module that leave nothing behind."""
    served = Wire(tmp_path_factory.mktemp("calm"))
    yield served
    served.close()


@pytest.fixture
def bad(wire: Wire) -> str:
    """The digest of `library/app:bad`, which has a finding that the namespace's pull policy blocks."""
    digest = push(wire, "bad", BASE, OWN)
    scanned(wire.stack, wire.instance.id, digest)
    set_policy(wire.stack, "default")
    return digest
