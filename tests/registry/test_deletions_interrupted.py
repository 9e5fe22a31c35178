"""N2, N3, X1: deletions that are killed at any call go on, and whatever meets them on their way is whole or gone."""

from __future__ import annotations

import contextlib

import pytest

from chalicelib.chain import WORKERS
from chalicelib.collection.service import Fsck, Sweeper
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound, Refused, Unavailable
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.handlers import object_settled
from chalicelib.registry.models import BinEntry, Caller
from chalicelib.registry.namespace_retirement import NamespaceRetirement
from chalicelib.registry.repository_retirement import RepositoryRetirement
from chalicelib.registry.service import Registry
from chalicelib.repositories.service import Repositories
from chalicelib.tasks.service import Tasks
from tests.background import run_background
from tests.faults.ports import FAIL_AFTER, FAIL_BEFORE, Fault, faulty
from tests.faults.turns import CRASH_AFTER, Crashed, Worker
from tests.stacks import FrozenClock, make_instance, make_namespace

from .images import NAME, image, index, owner_of, push_blob, push_image, push_manifest

pytestmark = pytest.mark.campaign

OTHER = RepositoryName("library/other")
DAY = 86_400
FAULTS = [FAIL_BEFORE, FAIL_AFTER, CRASH_AFTER]


class Scene:
    """A fresh instance with two repositories: an index over two images, a bin entry, an upload, a shared layer."""

    def __init__(self, stack: Stack, clock: FrozenClock, number: int) -> None:
        self.stack = stack
        self.clock = clock
        self.instance = make_instance(stack, f"ci-{number}")
        self.namespace = make_namespace(stack, self.instance)
        self.caller: Caller = owner_of(self.instance)
        registry = Registry(stack)
        push_image(registry, self.caller, b"base", b"one", tag="v1")
        push_image(registry, self.caller, b"base", b"two", tag="v2")
        push_manifest(registry, self.caller, index(image(b"base", b"one"), image(b"base", b"two")), "both")
        registry.delete(self.caller, NAME, TagName("v2"))
        push_blob(registry, self.caller, b"never named")
        push_image(registry, self.caller, b"base", tag="v1", name=OTHER)
        self.app = Repositories(stack).get(self.instance.id, NAME, fresh=True)
        bucket = self.instance.bucket
        for push in stack.objects(bucket).list(f"{self.instance.id}/pushes/").items:
            object_settled(stack, bucket, push.key)

    def bin_app(self, stack: Stack) -> None:
        RepositoryRetirement(stack).delete(self.instance, self.app, "ann")

    def entries(self) -> list[BinEntry]:
        rows = self.stack.table.query(keys.bin_partition(self.instance.id), prefix="ENTRY#").items
        return [BinEntry.model_validate(row) for row in rows]

    def whole(self) -> None:
        assert list(Fsck(self.stack).run()) == []

    def nothing_left(self) -> None:
        """All that is left is emptied, and every deadline passes."""
        with contextlib.suppress(NotFound):
            other = Repositories(self.stack).get(self.instance.id, OTHER, fresh=True)
            RepositoryRetirement(self.stack).delete(self.instance, other, "ann")
        for days in (8, 2, 2):
            self.clock.advance(days * DAY)
            run_background(self.stack)
            self.whole()
        assert self.stack.objects(self.instance.bucket).list(f"{self.instance.id}/blobs/").items == ()
        usage = Instances(self.stack).usage(self.instance)
        assert (usage.storage.used, usage.repositories.used) == (0, 0)
        assert self.stack.table.query(keys.repository_partition(self.app.id)).items == ()
        assert self.stack.table.query(keys.bin_partition(self.instance.id)).items == ()


def interrupted(stack: Stack, fault: Fault, call: int) -> tuple[Stack, Worker]:
    worker = Worker(plan={call: fault})
    return faulty(stack, worker), worker


@pytest.mark.parametrize("fault", FAULTS, ids=["before", "after", "crash"])
def test_a_repository_is_deleted_once_or_not_at_all(stack: Stack, clock: FrozenClock, fault: Fault) -> None:
    """N3: asked again after any interruption, there is one bin entry and one place more in the quota."""
    for call in range(1, 50):
        scene = Scene(stack, clock, call)
        ports, worker = interrupted(stack, fault, call)
        with contextlib.suppress(Crashed, Unavailable):
            scene.bin_app(ports)
        scene.whole()
        with contextlib.suppress(NotFound):
            scene.bin_app(stack)
        assert [entry.kind for entry in scene.entries()].count("repository") == 1
        assert Instances(stack).usage(scene.instance).repositories.used == 1
        scene.whole()
        if len(worker.calls) < call:
            return
    raise AssertionError("it goes round in circles")


def test_a_purge_killed_at_any_call_ends_all_the_same(stack: Stack, clock: FrozenClock) -> None:
    """X1, X3: one after another, so that each kill meets what the one before left."""
    scene = Scene(stack, clock, 0)
    scene.bin_app(stack)
    clock.advance(8 * DAY)
    kills = 0
    for call in range(1, 400):
        ports, worker = interrupted(stack, FAULTS[call % 3], 1 + call % 40)
        with contextlib.suppress(Crashed, Unavailable):
            Sweeper(ports).run()
        scene.whole()
        kills += worker.dead
        if not Sweeper(stack).overdue():
            break
    assert kills > 10
    clock.advance(2 * DAY)
    scene.nothing_left()


@pytest.mark.parametrize("fault", FAULTS, ids=["before", "after", "crash"])
def test_a_namespace_deletion_killed_at_any_call_goes_on(stack: Stack, clock: FrozenClock, fault: Fault) -> None:
    """N2: it answers like missing from the first moment, or was never asked for."""
    for call in range(1, 100):
        scene = Scene(stack, clock, call)
        ports, worker = interrupted(stack, fault, call)
        with contextlib.suppress(Crashed, Refused):
            _delete_namespace(ports, scene)
        scene.whole()
        with contextlib.suppress(NotFound):
            _delete_namespace(stack, scene)
        for _ in range(4):
            clock.advance(301)
            run_background(stack)
        assert [entry.kind for entry in scene.entries() if entry.kind != "tag"] == ["namespace"]
        usage = Instances(stack).usage(scene.instance)
        assert (usage.namespaces.used, usage.repositories.used) == (0, 0)
        if len(worker.calls) < call:
            scene.nothing_left()
            return
    raise AssertionError("it goes round in circles")


def _delete_namespace(stack: Stack, scene: Scene) -> None:
    namespace = Namespaces(stack).get(scene.instance.id, "library", fresh=True)
    task = NamespaceRetirement(stack).delete(scene.instance, namespace, "ann", repositories=2, size=0)
    while Tasks(stack).carry_out(task.instance_id, task.id, WORKERS):
        pass


def test_two_steps_of_one_deletion_at_once_do_it_once(stack: Stack, clock: FrozenClock) -> None:
    """N2: the second begins where the claim of the first ran out while it was still at work."""
    scene = Scene(stack, clock, 0)
    namespace = Namespaces(stack).get(scene.instance.id, "library", fresh=True)
    task = NamespaceRetirement(stack).delete(scene.instance, namespace, "ann", repositories=2, size=0)
    for _ in range(2):
        NamespaceRetirement(stack).carry_out(task)
        NamespaceRetirement(stack).carry_out(task)
    assert Instances(stack).usage(scene.instance).repositories.used == 0
    assert Instances(stack).usage(scene.instance).namespaces.used == 0
    run_background(stack)
    scene.nothing_left()


def test_a_push_that_set_out_before_the_purge_loses_nothing_and_leaves_nothing(
    stack: Stack, clock: FrozenClock
) -> None:
    """X3: whichever call of a push the deletion and the purge come before."""
    for call in range(1, 60):
        scene = Scene(stack, clock, call)
        registry = Registry(stack)
        push_blob(registry, scene.caller, b"late layer")
        body, worker = image(b"late layer"), Worker()

        def purge(scene: Scene = scene) -> None:
            scene.bin_app(stack)
            (entry,) = [entry for entry in scene.entries() if entry.kind == "repository"]
            RepositoryRetirement(stack).expire(entry)
            Sweeper(stack).run()

        worker.plan[call] = Fault(before=purge)
        with contextlib.suppress(Refused):
            push_manifest(Registry(faulty(stack, worker)), scene.caller, body, "late")
        if len(worker.calls) < call:
            assert Registry(stack).pull(scene.caller, NAME, Digest.of(body))
            scene.bin_app(stack)
        for days in (1, 1, 8):
            clock.advance(days * DAY)
            run_background(stack)
            scene.whole()
        scene.nothing_left()
        if len(worker.calls) < call:
            return
    raise AssertionError("a push has more calls than that")


def test_a_push_that_sleeps_through_the_deletion_is_refused(stack: Stack, clock: FrozenClock) -> None:
    """X3: also where it names no blob whose link could be missing."""
    scene = Scene(stack, clock, 0)
    body, worker = index(), Worker(plan={})
    pushing = Registry(faulty(stack, worker))
    push_manifest(pushing, scene.caller, body, "empty")
    first = worker.calls.index("table.transact")
    again, worker = index(annotations={"another": "one"}), Worker()
    worker.plan[len(worker.calls) + first + 1] = Fault(before=lambda: scene.bin_app(stack))
    with pytest.raises(NotFound):
        push_manifest(Registry(faulty(stack, worker)), scene.caller, again, "empty")
    assert stack.table.get(keys.manifest(scene.app.id, Digest.of(again))) is None
    scene.whole()
