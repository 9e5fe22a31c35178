from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.ports.stack import Stack
from tests.stacks import embedded_stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with embedded_stack(tmp_path, cache_upstreams="", allow_private_addresses=True) as opened:
        yield opened
