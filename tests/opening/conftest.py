from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.instances.buckets import Buckets
from chalicelib.ports.embedded.stack import create_bucket
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.stacks import FrozenClock, embedded_stack

BUCKET = "team-images"


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened:
        create_bucket(opened.settings, BUCKET)
        Buckets(opened).claim("default", BUCKET)
        yield opened


@pytest.fixture
def api(stack: Stack) -> Api:
    """An owner with money."""
    owner = Api.signed_in(stack)
    assert owner.post("/account/top-ups", {"amount": 10_000}).status == 201
    return owner
