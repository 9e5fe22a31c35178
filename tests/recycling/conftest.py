from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.ports.stack import Stack
from tests.registry.library import Library


@pytest.fixture
def library(stack: Stack) -> Iterator[Library]:
    """Whatever a test does, nothing is lost, leaked or miscounted at its end."""
    yield Library.opened(stack)
    assert list(Fsck(stack, deep=True).run()) == []
