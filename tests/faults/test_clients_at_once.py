"""R6: clients that push the same content at the same moment, in threads that nobody holds back, all end well."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry
from tests.registry.images import NAME, image
from tests.stacks import FrozenClock

from .deeds import BASE, CONFIG, TOP, Actor, World
from .verdict import verdict


def _at_once(acts: Sequence[Callable[[], object]]) -> None:
    """Runs all at the same moment, and waits for their ends."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        start.wait(30)
        act()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("clients", [2, 5, 8])
def test_all_pushers_of_one_blob_and_one_tag_succeed(clients: int, stack: Stack, clock: FrozenClock) -> None:
    """R6: the same image under the same tag, blobs and all."""
    for attempt in range(4):
        world = World(stack, clock, attempt)
        actors = [Actor(world) for _ in range(clients)]
        _at_once([partial(actor.push_image, BASE, TOP, tags=("latest",)) for actor in actors])

        assert [deed.outcome for deed in world.deeds if deed.kind == "push"] == ["acknowledged"] * clients
        blobs = stack.objects(world.instance.bucket).list(f"{world.instance.id}/blobs/").items
        assert len(blobs) >= 3
        assert verdict(world) == []


@pytest.mark.parametrize("clients", [2, 8])
def test_of_pushers_of_different_images_under_one_tag_one_is_last(
    clients: int, stack: Stack, clock: FrozenClock
) -> None:
    """R6: all are told that they succeeded, each image stays by digest, and the tag is one of them."""
    for attempt in range(4):
        world = World(stack, clock, attempt)
        for data in (CONFIG, BASE):
            Actor(world).upload(data)
        bodies = [image(BASE, annotations={"client": str(n)}) for n in range(clients)]
        _at_once([partial(Actor(world).push, body, "latest") for body in bodies])

        registry = Registry(stack)
        assert registry.pull(world.caller, NAME, TagName("latest")).body in bodies
        for body in bodies:
            assert registry.pull(world.caller, NAME, Digest.of(body)).body == body
        assert verdict(world) == []


def test_pushes_deletions_and_sweeps_at_once_lose_nothing(stack: Stack, clock: FrozenClock) -> None:
    """R6, X3"""
    for attempt in range(6):
        world = World(stack, clock, attempt)
        Actor(world).push_image(BASE, tags=("v1",))
        Actor(world).delete("v1")
        clock.advance(8 * 86_400)
        acts: list[Callable[[], object]] = [
            partial(Actor(world).push_image, BASE, tags=("v1",)),
            partial(Actor(world).push_image, BASE, TOP, tags=("v1",)),
            Actor(world).sweep,
            partial(Actor(world).collect, BASE),
            Actor(world).sweep,
            partial(Actor(world).delete, "v1"),
        ]
        _at_once(acts)
        assert verdict(world) == []
