"""X1: every call of each restoration fails before or after its effect, or is the last of its process. Then it is asked
for again, and all is whole: nothing lost, leaked or miscounted, and what was acknowledged can be pulled."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable

import pytest

from chalicelib.chain import WORKERS
from chalicelib.collection.service import Fsck, Sweeper
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import ManifestUnknown, NotFound, Refused, Unavailable
from chalicelib.kernel.names import Digest, TagName
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.recycling.service import RecycleBin
from chalicelib.registry.handlers import object_settled
from chalicelib.registry.models import BinEntry
from chalicelib.registry.namespace_restoration import NamespaceRestoration
from chalicelib.registry.namespace_retirement import NamespaceRetirement
from chalicelib.registry.repository_restoration import RepositoryRestoration
from chalicelib.registry.repository_retirement import RepositoryRetirement
from chalicelib.registry.restoration import Restoration
from chalicelib.registry.service import Registry
from chalicelib.repositories.service import Repositories
from chalicelib.tasks.service import Tasks
from tests.background import run_background, run_tasks
from tests.faults.ports import FAIL_AFTER, FAIL_BEFORE, Fault, faulty
from tests.faults.turns import CRASH_AFTER, Crashed, Worker
from tests.registry.images import NAME, image, index, owner_of, push_image, push_manifest
from tests.registry.library import DAY, OTHER
from tests.stacks import FrozenClock, make_instance, make_namespace

from .bin import entries

pytestmark = pytest.mark.campaign

FAULTS = {"before": FAIL_BEFORE, "after": FAIL_AFTER, "crash": CRASH_AFTER}
WRITES = ("put", "put_many", "update", "delete", "transact", "send")
ONE, TWO = image(b"base", b"one"), image(b"base", b"two")
BOTH = index(ONE, TWO)
_NUMBERS = itertools.count(1)


class Scene:
    """A fresh instance with two repositories: an index over two images, tags, a layer that both share."""

    def __init__(self, stack: Stack, clock: FrozenClock) -> None:
        self.stack = stack
        self.clock = clock
        self.instance = make_instance(stack, f"ci-{next(_NUMBERS)}")
        make_namespace(stack, self.instance)
        self.caller = owner_of(self.instance)
        self.registry = Registry(stack)
        push_image(self.registry, self.caller, b"base", b"one", tag="v1")
        push_image(self.registry, self.caller, b"base", b"two", tag="v2")
        push_manifest(self.registry, self.caller, BOTH, "both", "also")
        push_image(self.registry, self.caller, b"base", tag="v1", name=OTHER)
        self.app = Repositories(stack).get(self.instance.id, NAME, fresh=True)
        self.settle_pushes()

    def settle_pushes(self) -> None:
        bucket = self.instance.bucket
        for push in self.stack.objects(bucket).list(f"{self.instance.id}/pushes/").items:
            object_settled(self.stack, bucket, push.key)
        for shard in keys.due_partitions("outbox"):
            for row in self.stack.table.query(shard, index="i1").items:
                if row["instance_id"] == self.instance.id:
                    self.stack.table.delete(keys.outbox(row["incarnation"]))

    def entry(self, kind: str) -> BinEntry:
        (found,) = [entry for entry in entries(self.stack, self.instance) if entry.kind == kind]
        return found

    def findings(self) -> list[str]:
        """Of this instance alone: there are many in a test."""
        return [f"{one.kind} {one.subject}: {one.message}" for one in Fsck(self.stack).look_into(self.instance)]

    def pulls_whole(self) -> None:
        for reference in ("both", "also", Digest.of(ONE), Digest.of(TWO)):
            wanted = Digest(reference) if ":" in reference else TagName(reference)
            self.registry.pull(self.caller, NAME, wanted)
        for layer in (b"base", b"one", b"two"):
            assert self.registry.blob(self.caller, NAME, Digest.of(layer)).size == len(layer)

    def nothing_left(self) -> None:
        """All that is left is emptied, and every deadline passes."""
        namespace = Namespaces(self.stack).get(self.instance.id, "library", fresh=True)
        NamespaceRetirement(self.stack).delete(self.instance, namespace, "ann", repositories=2, size=0)
        for days in (0, 8, 2, 2):
            self.clock.advance(days * DAY)
            run_background(self.stack)
            assert self.findings() == []
        assert self.stack.objects(self.instance.bucket).list(f"{self.instance.id}/blobs/").items == ()
        usage = Instances(self.stack).usage(self.instance)
        assert (usage.storage.used, usage.storage.binned, usage.repositories.used) == (0, 0, 0)
        assert self.stack.table.query(keys.bin_partition(self.instance.id)).items == ()


def _bin_tag(scene: Scene) -> None:
    scene.registry.delete(scene.caller, NAME, TagName("also"))


def _bin_index(scene: Scene) -> None:
    """And its children after it, each with its tag; and the links of their layers."""
    for body in (BOTH, ONE, TWO):
        scene.registry.delete(scene.caller, NAME, Digest.of(body))
    for layer in (b"base", b"one", b"two"):
        scene.registry.delete_blob(scene.caller, NAME, Digest.of(layer))


def _bin_repository(scene: Scene) -> None:
    RepositoryRetirement(scene.stack).delete(scene.instance, scene.app, "ann", size=10)


def _bin_namespace(scene: Scene) -> None:
    namespace = Namespaces(scene.stack).get(scene.instance.id, "library", fresh=True)
    NamespaceRetirement(scene.stack).delete(scene.instance, namespace, "ann", repositories=2, size=10)
    run_tasks(scene.stack)


def _restore_tag(stack: Stack, scene: Scene) -> None:
    Restoration(stack).restore(scene.instance, scene.entry("tag"), "ann")


def _restore_index(stack: Stack, scene: Scene) -> None:
    (found,) = [entry for entry in entries(scene.stack, scene.instance) if entry.digest == Digest.of(BOTH)]
    Restoration(stack).restore(scene.instance, found, "ann")


def _restore_repository(stack: Stack, scene: Scene) -> None:
    RepositoryRestoration(stack).restore(scene.instance, scene.entry("repository"))


def _restore_namespace(stack: Stack, scene: Scene) -> None:
    task = NamespaceRestoration(stack).restore(scene.instance, scene.entry("namespace"), "ann")
    while Tasks(stack).carry_out(task.instance_id, task.id, WORKERS):
        pass


Act = Callable[[Scene], None]
RESTORATIONS: dict[str, tuple[Act, Callable[[Stack, Scene], None], str]] = {
    "tag": (_bin_tag, _restore_tag, "tag"),
    "index": (_bin_index, _restore_index, ""),
    "repository": (_bin_repository, _restore_repository, "repository"),
    "namespace": (_bin_namespace, _restore_namespace, "namespace"),
}


def _standing(scene: Scene, kind: str) -> bool:
    """Whether the entry is still there."""
    found = entries(scene.stack, scene.instance)
    return any(entry.kind == kind if kind else entry.digest == Digest.of(BOTH) for entry in found)


def _interrupted(stack: Stack, clock: FrozenClock, name: str, fault: Fault, call: int) -> Scene:
    to_bin, restore, kind = RESTORATIONS[name]
    scene, worker = Scene(stack, clock), Worker(plan={call: fault})
    to_bin(scene)
    with contextlib.suppress(Crashed, Refused):
        restore(faulty(stack, worker), scene)
    # Links that the restorer did not come to are the sweep's, as after a push out of the bin.
    clock.advance(60)
    Sweeper(stack).run()
    assert scene.findings() == []
    if _standing(scene, kind):
        with contextlib.suppress(NotFound):
            restore(stack, scene)
    # A task goes on once the claim of who died has run out.
    for _ in range(3 if name == "namespace" else 1):
        clock.advance(301)
        run_background(stack)
    assert not _standing(scene, kind)
    scene.pulls_whole()
    assert scene.findings() == []
    return scene


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", RESTORATIONS)
def test_a_restoration_interrupted_at_any_call_ends_whole(
    stack: Stack, clock: FrozenClock, name: str, kind: str
) -> None:
    """X1: and what it brought back can be deleted for good afterwards."""
    scene = Scene(stack, clock)
    to_bin, restore, _ = RESTORATIONS[name]
    to_bin(scene)
    learner = Worker()
    restore(faulty(stack, learner), scene)
    for number, call in enumerate(learner.calls, 1):
        # After a read, an answer that was lost is a call that failed, and a crash one that came before.
        if kind == "before" or call.split(".")[1] in WRITES:
            scene = _interrupted(stack, clock, name, FAULTS[kind], number)
    scene.nothing_left()


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", ["tag", "repository", "namespace"])
def test_freeing_that_is_interrupted_goes_on_or_is_asked_again(
    stack: Stack, clock: FrozenClock, name: str, kind: str
) -> None:
    """X1"""
    to_bin, _, entry_kind = RESTORATIONS[name]
    for call in range(1, 60):
        scene, worker = Scene(stack, clock), Worker(plan={call: FAULTS[kind]})
        to_bin(scene)
        entry = scene.entry(entry_kind)
        with contextlib.suppress(Crashed, Refused):
            RecycleBin(faulty(stack, worker), scene.instance).free(entry)
        assert scene.findings() == []
        with contextlib.suppress(NotFound):
            RecycleBin(stack, scene.instance).free(entry)
        run_background(stack)
        assert not _standing(scene, entry_kind)
        assert scene.findings() == []
        if len(worker.calls) < call:
            return
    raise AssertionError("it goes round in circles")


@pytest.mark.parametrize("name", RESTORATIONS)
def test_a_restoration_that_another_one_overtakes_does_it_once(stack: Stack, clock: FrozenClock, name: str) -> None:
    """X1: before each call of the first the second does all of it."""
    to_bin, restore, kind = RESTORATIONS[name]
    for call in range(1, 120):
        scene, worker = Scene(stack, clock), Worker()
        to_bin(scene)

        def overtake(scene: Scene = scene) -> None:
            if _standing(scene, kind):
                restore(stack, scene)

        worker.plan[call] = Fault(before=overtake)
        with contextlib.suppress(Refused):
            restore(faulty(stack, worker), scene)
        run_background(stack)
        scene.pulls_whole()
        assert scene.findings() == [], f"call {call}"
        if len(worker.calls) < call:
            return
    raise AssertionError("it goes round in circles")


def test_expiry_and_restoring_at_once_leave_one_of_both(stack: Stack, clock: FrozenClock) -> None:
    """X1: before each call of the restoration the entry is freed."""
    for name in ("tag", "repository", "namespace"):
        to_bin, restore, kind = RESTORATIONS[name]
        for call in range(1, 60):
            scene, worker = Scene(stack, clock), Worker()
            to_bin(scene)
            entry = scene.entry(kind)

            def free(scene: Scene = scene, entry: BinEntry = entry) -> None:
                with contextlib.suppress(Refused):
                    RecycleBin(stack, scene.instance).free(entry)
                Sweeper(stack).run()

            worker.plan[call] = Fault(before=free)
            with contextlib.suppress(Refused):
                restore(faulty(stack, worker), scene)
            run_background(stack)
            assert not _standing(scene, kind)
            assert scene.findings() == [], f"{name}, {call}"
            if len(worker.calls) < call:
                break


def test_a_late_revival_undoes_no_later_deletion(stack: Stack, clock: FrozenClock) -> None:
    """X1: index and children are deleted again before any call of their restoration; the last who spoke is obeyed."""
    for call in range(1, 60):
        scene, worker = Scene(stack, clock), Worker()
        _bin_index(scene)
        gone = [False]
        worker.plan[call] = Fault(before=lambda scene=scene, gone=gone: _delete_again(scene, gone))  # type: ignore[misc]
        with contextlib.suppress(Refused):
            _restore_index(faulty(stack, worker), scene)
        clock.advance(120)
        run_background(stack)
        assert scene.findings() == []
        if len(worker.calls) < call:
            return
        for body in (BOTH, ONE, TWO) if gone[0] else ():
            with pytest.raises(ManifestUnknown):
                scene.registry.pull(scene.caller, NAME, Digest.of(body))
    raise AssertionError("it goes round in circles")


def _delete_again(scene: Scene, gone: list[bool]) -> None:
    """gone: whether the index had come back by then."""
    for body in (BOTH, ONE, TWO):
        with contextlib.suppress(NotFound):
            scene.registry.delete(scene.caller, NAME, Digest.of(body))
            gone[0] = gone[0] or body == BOTH


def test_a_process_that_dies_right_after_the_commit_leaves_the_children_to_the_sweep(
    stack: Stack, clock: FrozenClock
) -> None:
    """X1: by the row of the event that it never made."""
    scene, call = Scene(stack, clock), 0
    _bin_index(scene)
    while _standing(scene, ""):
        call += 1
        with contextlib.suppress(Crashed, Unavailable):
            _restore_index(faulty(stack, Worker(plan={call: CRASH_AFTER})), scene)
    with pytest.raises(ManifestUnknown):
        scene.registry.pull(scene.caller, NAME, Digest.of(ONE))
    clock.advance(60)
    Sweeper(stack).run()
    scene.pulls_whole()
    assert len(stack.objects(scene.instance.bucket).list(f"{scene.instance.id}/pushes/").items) == 1


def test_nothing_is_acknowledged_as_restored_into_a_repository_that_is_freed(stack: Stack, clock: FrozenClock) -> None:
    """X1: the repository goes for good between the look at it and the transaction."""
    learner, scene = Worker(), Scene(stack, clock)
    _bin_tag(scene)
    _restore_tag(faulty(stack, learner), scene)
    scene, worker = Scene(stack, clock), Worker()
    _bin_tag(scene)
    tag = scene.entry("tag")

    def go_for_good() -> None:
        _bin_repository(scene)
        RecycleBin(stack, scene.instance).free(scene.entry("repository"))

    worker.plan[learner.calls.index("table.transact") + 1] = Fault(before=go_for_good)
    with pytest.raises(Refused):
        Restoration(faulty(stack, worker)).restore(scene.instance, tag, "ann")
    assert scene.findings() == []
