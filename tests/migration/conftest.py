"""A stack, whoever may start migrations in it, and a registry elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.ports.stack import Stack
from tests.copying.served import House, house
from tests.management import Api
from tests.stacks import FrozenClock, embedded_stack


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path / "here", clock, allow_private_addresses=True) as opened:
        yield opened


@pytest.fixture
def api(stack: Stack) -> Api:
    return Api.signed_in(stack)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "there") as opened:
        yield opened
