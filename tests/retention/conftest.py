"""A library whose tags retention runs over."""

from __future__ import annotations

import pytest

from chalicelib.ports.stack import Stack
from tests.stacks import FrozenClock

from .shelf import Shelf


@pytest.fixture
def shelf(stack: Stack, clock: FrozenClock) -> Shelf:
    return Shelf.opened(stack, clock)
