"""I6: an instance goes with all it holds, whenever it is interrupted, and nothing else is touched."""

from __future__ import annotations

import contextlib

import pytest

from chalicelib.chain import CHAIN, WORKERS
from chalicelib.closing.service import Closing
from chalicelib.collection.service import Fsck
from chalicelib.edge.consume import handle
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import InstanceFrozen, NotFound, Unavailable
from chalicelib.kernel.messages import ReleaseInstance
from chalicelib.kernel.names import Digest, TagName
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry
from chalicelib.tasks.service import Tasks
from tests.background import run_background, run_tasks
from tests.faults.ports import FAIL_AFTER, FAIL_BEFORE, Fault, faulty
from tests.faults.turns import CRASH_AFTER, Crashed, Worker
from tests.management import Api
from tests.registry.images import NAME, image, owner_of, push_image, push_manifest
from tests.registry.library import Library
from tests.stacks import FrozenClock, make_instance, make_namespace

from .crowd import crowded, everything, stored


def released(stack: Stack, instance: Instance) -> Instance:
    """As its schedule leaves it when its time is over."""
    return Instances(stack).change(instance, state="releasing", asked_at=stack.clock.now())


def test_all_of_an_instance_goes_and_nothing_else_is_touched(stack: Stack, clock: FrozenClock) -> None:
    """I6"""
    neighbour = crowded(stack, clock, "neighbour")
    before, objects = everything(stack), stored(stack, neighbour)
    instance = crowded(stack, clock, "leaver")
    assert stored(stack, instance)
    released(stack, instance)
    handle(stack, ReleaseInstance(instance_id=instance.id), CHAIN)
    run_tasks(stack)
    assert everything(stack) == before
    assert (stored(stack, instance), stored(stack, neighbour)) == ([], objects)
    assert Registry(stack).pull(owner_of(neighbour), NAME, TagName("v1"))
    assert list(Fsck(stack).run()) == []


def test_asked_again_it_goes_on_and_when_all_is_gone_nothing_happens(stack: Stack, clock: FrozenClock) -> None:
    """I6"""
    before = everything(stack)
    instance = crowded(stack, clock, "leaver")
    released(stack, instance)
    for _ in range(3):
        handle(stack, ReleaseInstance(instance_id=instance.id), CHAIN)
    run_tasks(stack)
    handle(stack, ReleaseInstance(instance_id=instance.id), CHAIN)
    assert run_tasks(stack) == 0
    assert everything(stack) == before


def test_an_instance_on_its_way_out_is_no_finding(stack: Stack, clock: FrozenClock) -> None:
    """I6: whoever checks the folder in the middle of a deletion is not alarmed by what it has left yet."""
    instance = crowded(stack, clock, "leaver")
    released(stack, instance)
    handle(stack, ReleaseInstance(instance_id=instance.id), CHAIN)
    steps = 0
    while Tasks(stack).carry_out(instance.id, instance.id, WORKERS):
        steps += 1
        assert list(Fsck(stack).run()) == [], f"after step {steps}"
    assert steps > 1


def test_an_instance_that_is_not_to_be_deleted_is_not(stack: Stack) -> None:
    """I6"""
    instance = make_instance(stack)
    handle(stack, ReleaseInstance(instance_id=instance.id), CHAIN)
    assert run_tasks(stack) == 0
    assert Instances(stack).load(instance.id).state == "running"


def test_its_name_can_be_had_again(stack: Stack, clock: FrozenClock) -> None:
    """I2, I6"""
    released(stack, make_instance(stack, "ci", "personal"))
    run_background(stack)
    (instance,) = Instances(stack).every()
    handle(stack, ReleaseInstance(instance_id=instance.id), CHAIN)
    run_tasks(stack)
    assert make_instance(stack, "ci", "personal").id != instance.id


class Killed:
    """Carries an instance's deletion out, and kills it at one call after another."""

    def __init__(self, stack: Stack, clock: FrozenClock, instance: Instance) -> None:
        self._stack = stack
        self._clock = clock
        self._instance = instance

    def run(self, fault: Fault, every: int) -> int:
        """Lets it come `every` calls further each time; answers how often it was stopped."""
        stopped = 0
        while True:
            worker = Worker(plan={1 + (stopped * 7) % every: fault})
            with contextlib.suppress(Crashed, Unavailable):
                if not self._goes_on(faulty(self._stack, worker)):
                    return stopped
            stopped += 1
            self._clock.advance(301)
            assert stopped < 3000

    def _goes_on(self, stack: Stack) -> bool:
        """Asks as the schedule does, then takes one step. False: the instance is gone."""
        task = Closing(stack).go_on(self._instance.id, "system")
        if task is None:
            return False
        Tasks(stack).carry_out(task.instance_id, task.id, WORKERS)
        return True


@pytest.mark.parametrize("fault", [FAIL_BEFORE, FAIL_AFTER, CRASH_AFTER], ids=["before", "after", "crash"])
def test_killed_at_every_call_it_ends_all_the_same(stack: Stack, clock: FrozenClock, fault: Fault) -> None:
    """I6"""
    neighbour = crowded(stack, clock, "neighbour")
    before = everything(stack)
    instance = crowded(stack, clock, "leaver")
    released(stack, instance)
    stopped = Killed(stack, clock, instance).run(fault, every=60)
    assert stopped > 20
    assert everything(stack) == before
    assert stored(stack, instance) == []
    assert Registry(stack).pull(owner_of(neighbour), NAME, TagName("v1"))


def test_each_call_of_its_steps_is_the_last_once(stack: Stack, clock: FrozenClock) -> None:
    """I6: a small instance, killed after the first call, the second, the third …"""
    make_namespace(stack, make_instance(stack, "neighbour"))
    before = everything(stack)
    for call in range(1, 2000):
        instance = make_instance(stack, "leaver")
        make_namespace(stack, instance)
        push_image(Registry(stack), owner_of(instance), b"one")
        released(stack, instance)
        worker = Worker(plan={call: CRASH_AFTER})
        with contextlib.suppress(Crashed):
            handle(faulty(stack, worker), ReleaseInstance(instance_id=instance.id), CHAIN)
            run_tasks(faulty(stack, worker))
        clock.advance(3700)
        handle(stack, ReleaseInstance(instance_id=instance.id), CHAIN)
        run_background(stack)
        assert everything(stack) == before, call
        assert stored(stack, instance) == []
        if len(worker.calls) < call:
            return
    raise AssertionError("it goes round in circles")


def test_the_owner_deletes_an_instance_and_is_asked_first(stack: Stack, clock: FrozenClock) -> None:
    """I6"""
    api = Api.signed_in(stack)
    before = {key for key in everything(stack) if not key[0].startswith(("REPLAY#", "AUDIT"))}
    instance = crowded(stack, clock, "leaver")
    asked = api.delete("/instances/leaver")
    assert (asked.status, asked.code) == (428, "CONFIRMATION_REQUIRED")
    assert "1 namespace, 2 repositories" in asked.json()["detail"]
    assert Api.signed_in(stack, Role.DEVELOPER).delete("/instances/leaver", confirm="leaver").status == 403
    answer = api.at("203.0.113.9").delete("/instances/leaver", confirm="leaver")
    assert (answer.status, answer.json()["kind"]) == (202, "deletion")
    assert api.get("/instances/leaver").json()["state"] == "releasing"
    with pytest.raises((InstanceFrozen, NotFound)):
        Registry(stack).start_upload(owner_of(Instances(stack).load(instance.id)), NAME)
    assert api.delete("/instances/leaver", confirm="leaver").json()["id"] == answer.json()["id"]
    run_tasks(stack)
    task = api.get(f"/instances/leaver/tasks/{answer.json()['id']}").json()
    assert (task["state"], task["subject"]) == ("running", {"instance": "leaver"})
    clock.advance(3600)
    run_background(stack)
    assert api.get("/instances/leaver").status == 404
    left = {key for key in everything(stack) if not key[0].startswith(("REPLAY#", "AUDIT", "ACCOUNT#", "SESSION#"))}
    assert left - before == set()
    assert stored(stack, instance) == []


def test_a_push_under_way_when_an_instance_closes_leaves_nothing(stack: Stack, clock: FrozenClock) -> None:
    """I6: it set out before; the last round comes after it."""
    before = everything(stack)
    instance = make_instance(stack, "leaver")
    make_namespace(stack, instance)
    # These were admitted before the instance closed, and are slow.
    registry, caller = Registry(stack), owner_of(instance)
    push_image(registry, caller, b"one")
    upload = registry.start_upload(caller, NAME)
    writer = registry.resume(caller, NAME, upload.id, 0)
    Closing(stack).begin(instance, "ann")
    run_tasks(stack)
    assert stored(stack, instance) == []
    writer.append(b"late")
    with pytest.raises(NotFound):
        writer.finish(Digest.of(b"late"))
    writer.close()
    with pytest.raises(NotFound):
        push_manifest(registry, caller, image(b"one"), "v2")
    assert everything(stack) != before
    clock.advance(3600)
    run_background(stack)
    assert everything(stack) == before
    assert stored(stack, instance) == []


def test_what_deleting_an_instance_would_take_is_told_beforehand(stack: Stack) -> None:
    """C1, P1"""
    library = Library.opened(stack)
    library.push("v1", "latest")
    api = library.api()
    rule = {"namespace": "library", "repositories": "**", "tags": "v*"}
    assert api.post("/instances/ci/immutability-rules", rule).status == 201
    lost = api.get("/instances/ci/losses").json()
    assert (lost["namespaces"], lost["repositories"], lost["immutable_tags"], lost["more"]) == (1, 1, 1, False)
    assert lost["storage"]["used"] > 0
    assert library.api(Role.DEVELOPER).get("/instances/ci/losses").status == 403
