"""The clocks of a recycle bin stand still while its instance is frozen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.collection.service import Fsck, Sweeper
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry
from tests.stacks import FrozenClock, make_instance, make_namespace

from .images import NAME, image, owner_of, push_image

DAY_S = 86_400


@pytest.fixture
def instance(stack: Stack, clock: FrozenClock) -> Instance:
    made = make_instance(stack, expires_at=clock.now() + timedelta(days=2))
    make_namespace(stack, made)
    return made


def binned(stack: Stack, instance: Instance) -> int:
    return len(stack.table.query(keys.bin_partition(instance.id)).items)


def renewed(stack: Stack, instance: Instance, clock: FrozenClock, days: int) -> Instance:
    still_s = int((clock.now() - (instance.expires_at or clock.now())).total_seconds())
    expires_at = clock.now() + timedelta(days=days)
    return Instances(stack).change(Instances(stack).load(instance.id), expires_at=expires_at, stood_still_s=still_s)


def bytes_of(stack: Stack, instance: Instance) -> int:
    return sum(one.size for one in stack.objects(instance.bucket).list(f"{instance.id}/blobs/").items)


def test_what_was_deleted_outlives_the_freezing_by_the_rest_of_its_grace_period(
    stack: Stack, registry: Registry, instance: Instance, clock: FrozenClock
) -> None:
    """I6, X1: seven days of grace, two before the freezing, ten frozen, five after it."""
    caller = owner_of(instance)
    push_image(registry, caller, b"layer")
    registry.delete(caller, NAME, TagName("v1"))
    for day in range(12):
        clock.advance(DAY_S)
        Sweeper(stack).run()
        assert binned(stack, instance) == 1, f"day {day + 1}"
    renewed(stack, instance, clock, days=30)
    clock.advance(5 * DAY_S - 60)
    Sweeper(stack).run()
    assert binned(stack, instance) == 1
    clock.advance(61)
    Sweeper(stack).run()
    assert binned(stack, instance) == 0
    assert list(Fsck(stack, deep=True).run()) == []


def test_what_a_tag_left_outlives_the_freezing_too(
    stack: Stack, registry: Registry, instance: Instance, clock: FrozenClock
) -> None:
    """I6, X2: a tag's former content can be rolled back to for the grace period, of which none passes frozen."""
    caller = owner_of(instance)
    for layer in (b"old", b"new"):
        push_image(registry, caller, layer)
    former = Digest.of(image(b"old"))
    clock.advance(12 * DAY_S)
    Sweeper(stack).run()
    running = renewed(stack, instance, clock, days=30)
    clock.advance(5 * DAY_S - 60)
    Sweeper(stack).run()
    assert registry.pull(owner_of(running), NAME, former).body == image(b"old")
    clock.advance(61)
    Sweeper(stack).run()
    clock.advance(2 * DAY_S)
    Sweeper(stack).run()
    assert bytes_of(stack, instance) == len(b"{}") + len(b"new")
    assert list(Fsck(stack, deep=True).run()) == []
