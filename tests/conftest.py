"""What most tests begin with: a stack of the test's own, and its clock. A folder that needs another says so itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.ports.stack import Stack
from tests.stacks import FrozenClock, embedded_stack


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened:
        yield opened
