"""Buckets are the customer's: what others write there is none of our business (I2, R6)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.ports.stack import Stack
from chalicelib.registry.handlers import object_created
from tests.stacks import BUCKET, FrozenClock, embedded_stack

OURS = "01J00000000000000000000000"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with embedded_stack(tmp_path, FrozenClock()) as opened:
        yield opened


@pytest.mark.parametrize(
    "key",
    [
        "github/pushes/2026/january.json",
        f"{OURS}/pushes/app/{OURS}",
        f"{OURS}/pushes/{OURS}/x",
        f"x/pushes/{OURS}/{OURS}",
    ],
)
def test_an_object_whose_key_looks_like_a_push_stays(stack: Stack, key: str) -> None:
    """I2: on AWS its creation reaches the same handler as that of a push"""
    objects = stack.objects(BUCKET)
    objects.put(key, b"the customer's own")
    assert object_created(stack, BUCKET, key) == []
    assert [stored.key for stored in objects.list("").items] == [key]


def test_a_push_object_that_was_handled_already_goes(stack: Stack) -> None:
    """R6"""
    key = f"{OURS}/pushes/{OURS}/{OURS}"
    stack.objects(BUCKET).put(key, b"")
    assert object_created(stack, BUCKET, key) == []
    assert stack.objects(BUCKET).list("").items == ()
