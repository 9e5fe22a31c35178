"""A1: in whatever order a conversion, pushes, deletions and restorations act, no companion shows another version."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from functools import partial

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.kernel.errors import Conflict, NotFound
from chalicelib.kernel.names import TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry import store
from chalicelib.registry.companions import is_companion, names
from chalicelib.registry.models import BinEntry
from chalicelib.registry.restoration import Restoration
from chalicelib.registry.retirement import Deletion, Retirement
from chalicelib.registry.service import Registry
from tests.faults.ports import faulty
from tests.faults.turns import CRASH_AFTER, CRASH_BEFORE, Turns, Worker, asleep, ranked, uniform
from tests.stacks import TableWith, with_table

from .companions import accelerate, original, push_companion, running
from .images import NAME, image, push_blob, push_manifest
from .library import Library

Act = Callable[[Library, Stack, TagName], object]
SEEDS = [
    range(60),
    pytest.param(range(1000, 1400), marks=pytest.mark.campaign),
    *(pytest.param(range(first, first + 200), marks=pytest.mark.exhaustive) for first in range(1400, 4000, 200)),
]


def _convert(library: Library, stack: Stack, tag: TagName) -> None:
    """As its task does: the companion, then a look whether it is to stay."""
    repository, registry = library.repository(), Registry(stack)
    standing = store.tag(stack.table, repository.id, tag)
    if standing is not None:
        with contextlib.suppress(Conflict):
            push_companion(library, standing, registry)
    registry.retire_companion(library.instance, repository, tag)


def _push(library: Library, stack: Stack, tag: TagName) -> None:
    push_manifest(Registry(stack), library.owner, image(b"two"), tag)


def _delete(library: Library, stack: Stack, tag: TagName) -> None:
    Registry(stack).delete(library.owner, NAME, tag)


def _delete_many(library: Library, stack: Stack, tag: TagName) -> None:
    """By what a list showed a while ago."""
    repository = library.repository()
    standing = store.tag(library.stack.table, repository.id, tag)
    if standing is not None:
        Retirement(stack).delete_tags(Deletion(library.instance, repository, "ann"), [standing])


def _delete_digest(library: Library, stack: Stack, tag: TagName) -> None:
    standing = store.tag(stack.table, library.repository().id, tag)
    if standing is not None:
        Registry(stack).delete(library.owner, NAME, standing.digest)


def _restore(library: Library, stack: Stack, tag: TagName) -> None:
    partition = keys.bin_partition(library.instance.id)
    rows = stack.table.query(partition, prefix="ENTRY#", limit=1000, descending=True).items
    entries = [BinEntry.model_validate(row) for row in rows]
    for entry in [entry for entry in entries if tag in {one["name"] for one in entry.tags}][:1]:
        Restoration(stack).restore(library.instance, entry, "ann")


ACTS: dict[str, Act] = {
    "convert": _convert,
    "again": _convert,
    "push": _push,
    "delete": _delete,
    "many": _delete_many,
    "digest": _delete_digest,
    "restore": _restore,
}


def _forgiving(act: Act, library: Library, stack: Stack, tag: TagName) -> None:
    with contextlib.suppress(NotFound, Conflict):
        act(library, stack, tag)


def _run(library: Library, seed: int) -> str:
    """What was broken, "" if nothing was. One of them may die; a conversion that did is looked at again."""
    rng, tag = random.Random(seed), TagName(f"v{seed}")
    library.push(tag, layers=(b"%d" % seed,))
    if rng.random() < 0.5:
        _convert(library, library.stack, tag)
    chosen = {"convert", *rng.sample(sorted(ACTS), 3)}
    workers = {name: Worker(name) for name in sorted(chosen)}
    choice = ranked(rng, rng.choice((1, 2, 3)), 30) if rng.random() < 0.6 else uniform(rng, rng.choice((0.3, 0.8)))
    if rng.random() < 0.4:
        choice = asleep(rng.choice(sorted(chosen)), rng.randrange(1, 25), choice)
    if rng.random() < 0.3:
        workers[rng.choice(sorted(chosen))].plan[rng.randrange(1, 25)] = rng.choice((CRASH_BEFORE, CRASH_AFTER))
    turns = Turns()
    turns.run(
        {
            worker: partial(_forgiving, ACTS[name], library, faulty(library.stack, worker), tag)
            for name, worker in workers.items()
        },
        choice,
    )
    if turns.unexpected:
        return f"{seed}: {turns.unexpected}"
    repository = library.repository()
    above = store.tag(library.stack.table, repository.id, tag)
    moved = above is not None and above.acceleration is None
    if moved or any(worker.dead for worker in workers.values()):
        library.registry.retire_companion(library.instance, repository, tag)
    companion = store.tag(library.stack.table, repository.id, tag.accelerated)
    if companion is not None and not (is_companion(companion) and names(above, companion.digest)):
        return f"{seed}: {companion!r} beside {above!r} after {turns.trace}"
    return ""


def _broken(library: Library, seeds: range) -> list[str]:
    for data in (b"{}", b"two", b"lazy"):
        push_blob(library.registry, library.owner, data)
    broken = [wrong for seed in seeds if (wrong := _run(library, seed))]
    return broken + [f"{one.kind} {one.message}" for one in Fsck(library.stack, deep=True).run()]


@pytest.mark.parametrize("marked", [False, True], ids=["nobody asked yet", "under way"])
@pytest.mark.parametrize("way", [_delete, _delete_many, _delete_digest])
def test_a_deletion_takes_along_the_companion_that_came_after_it_had_looked(
    stack: Stack, way: Act, marked: bool
) -> None:
    """A1: even if whoever made it has looked again by then; and brings it back with its original."""
    library, made = Library.opened(stack), list[str]()
    library.push("v1")
    if marked:
        running(library)

    def quicker() -> None:
        if not made:
            made.append(accelerate(library))
            assert not library.registry.retire_companion(library.instance, library.repository(), TagName("v1"))

    way(library, with_table(stack, TableWith(stack.table, quicker)), TagName("v1"))
    assert made
    assert library.registry.tags(library.owner, NAME).items == ()
    _restore(library, stack, TagName("v1"))
    assert original(library, "v1-accelerated").digest == made[0]
    assert names(original(library), made[0])
    assert list(Fsck(stack, deep=True).run()) == []


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
def test_a_companion_stands_only_beside_the_version_that_it_was_made_of(stack: Stack, seeds: range) -> None:
    """A1: 60 orders in every run, 400 more as a campaign, and 2600 more where everything is tried."""
    assert _broken(Library.opened(stack), seeds) == []
