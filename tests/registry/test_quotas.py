"""I1, I7: what a personal instance may hold is held to, whoever pushes at once, and a refusal leaves nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.collection.service import Fsck, Sweeper
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import ManifestBlobUnknown, NotFound, QuotaExceeded
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry
from chalicelib.repositories.service import Repositories
from tests.stacks import FrozenClock, make_instance, make_namespace

from .images import NAME, image, owner_of, push_blob, push_manifest

LIMIT = 1000


@pytest.fixture
def small(stack: Stack) -> Caller:
    """An owner of a personal instance with room for 1000 bytes."""
    instance = make_instance(stack, "small", "personal").model_copy(update={"storage_limit_bytes": LIMIT})
    make_namespace(stack, instance)
    return owner_of(instance)


def used(stack: Stack, caller: Caller) -> int:
    return Instances(stack).usage(caller.instance).storage.used


def test_storage_is_not_passed_by_many_at_once(registry: Registry, small: Caller, stack: Stack) -> None:
    """I1"""

    def push(n: int) -> int:
        try:
            push_blob(registry, small, b"%03d" % n * 100)
        except QuotaExceeded:
            return 0
        return 300

    with ThreadPoolExecutor(8) as pool:
        accepted = sum(pool.map(push, range(20)))
    assert accepted == 900
    assert used(stack, small) == 900


def test_what_is_refused_leaves_no_bytes_and_no_session(
    registry: Registry, small: Caller, stack: Stack, clock: FrozenClock
) -> None:
    """I7"""
    push_blob(registry, small, b"x" * 900)
    with pytest.raises(QuotaExceeded):
        push_blob(registry, small, b"y" * 200)
    clock.advance(60)
    Sweeper(stack).run()
    blobs = stack.objects(small.instance.bucket).list(f"{small.instance.id}/blobs/").items
    assert [blob.size for blob in blobs] == [900]
    assert list(Fsck(stack, deep=True).run()) == []


def test_a_full_instance_refuses_before_the_bytes_are_sent(registry: Registry, small: Caller) -> None:
    """I7"""
    push_blob(registry, small, b"x" * LIMIT)
    with pytest.raises(QuotaExceeded) as refused:
        registry.start_upload(small, NAME)
    assert refused.value.detail == {"quota": "storage", "limit": LIMIT}


def test_room_comes_back_with_what_is_collected(
    registry: Registry, small: Caller, stack: Stack, clock: FrozenClock
) -> None:
    """I1, X3"""
    push_blob(registry, small, b"x" * 900)
    clock.advance(2 * 86_400)
    Sweeper(stack).run()
    assert used(stack, small) == 0
    assert push_blob(registry, small, b"y" * 900) == Digest.of(b"y" * 900)


def test_refused_pushes_make_no_repository(registry: Registry, small: Caller, stack: Stack) -> None:
    """N1"""
    new = RepositoryName("library/new")
    with pytest.raises(ManifestBlobUnknown):
        push_manifest(registry, small, image(b"never pushed"), "v1", name=new)
    with pytest.raises(QuotaExceeded):
        push_blob(registry, small, b"x" * (LIMIT + 1), new)
    assert Instances(stack).usage(small.instance).repositories.used == 0
    with pytest.raises(NotFound):
        Repositories(stack).get(small.instance.id, new)
