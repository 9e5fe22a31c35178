"""What most tests begin with: a stack of the test's own, and its clock. A folder that needs another says so itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from chalicelib.ports.stack import Stack
from tests.stacks import FrozenClock, embedded_stack

MEMORY: Final = Path("/dev/shm")
# More than all that is written between one test's end and the next one's, in as many processes as a machine has cores.
ROOM_BYTES: Final = 4 * 1024**3


def pytest_configure() -> None:
    """Folders of tests lie in memory where the machine has room: else every write of a test waits for the disk."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened:
        yield opened
