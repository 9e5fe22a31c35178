from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.ports.stack import Stack
from tests.registry.library import Library
from tests.stacks import FrozenClock, embedded_stack

MEMORY = Path("/dev/shm")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(clock: FrozenClock) -> Iterator[Stack]:
    """In memory where the machine has such a folder: these tests write much."""
    with (
        tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder,
        embedded_stack(Path(folder), clock) as opened,
    ):
        yield opened


@pytest.fixture
def library(stack: Stack) -> Iterator[Library]:
    """Whatever a test does, nothing is lost, leaked or miscounted at its end."""
    yield Library.opened(stack)
    assert list(Fsck(stack, deep=True).run()) == []
