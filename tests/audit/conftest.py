from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.instances.models import Instance
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.stacks import FrozenClock, embedded_stack, make_instance


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def instance(stack: Stack) -> Instance:
    return make_instance(stack)


@pytest.fixture
def api(stack: Stack, instance: Instance) -> Api:
    return Api.signed_in(stack)
