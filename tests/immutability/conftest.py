from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.ports.stack import Stack
from tests.registry.library import Library
from tests.stacks import FrozenClock, embedded_stack


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as stack:
        yield stack


@pytest.fixture
def library(stack: Stack) -> Iterator[Library]:
    """Whatever a test does, nothing is lost, leaked or miscounted at its end."""
    yield Library.opened(stack)
    assert list(Fsck(stack, deep=True).run()) == []
