from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.ports.stack import Stack
from tests.stacks import FrozenClock, embedded_stack

MEMORY = Path("/dev/shm")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(clock: FrozenClock) -> Iterator[Stack]:
    """A real stack, in memory where the machine has such a folder: nothing here is about the disk, and thousands of
    schedules would wait for it."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        opened = embedded_stack(Path(folder), clock)
        yield opened
        opened.close()
