from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.ports.stack import Stack

from .desk import Desk


@pytest.fixture
def desk(stack: Stack) -> Iterator[Desk]:
    """Whatever a test does, nothing is lost, leaked or miscounted at its end."""
    yield Desk.opened(stack)
    assert list(Fsck(stack).run()) == []
