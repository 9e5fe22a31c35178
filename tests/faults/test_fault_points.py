"""R6, X3: every single call of an operation fails before or after its effect, or is the last that its process makes.

Afterwards nothing is lost or leaked, what was acknowledged is whole, and asking once more succeeds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.kernel.errors import Unavailable, UploadUnknown
from chalicelib.kernel.names import Digest
from chalicelib.ports.stack import Stack
from tests.ports_aws.adapters import open_moto_table
from tests.registry.images import NAME, image
from tests.stacks import FrozenClock, with_table

from .deeds import BASE, CONFIG, TOP, Actor, World
from .ports import FAIL_AFTER, FAIL_BEFORE, Fault
from .schedules import BOTH, GRACE_S, ONE, TWO
from .turns import CRASH_AFTER, Crashed, Worker
from .verdict import verdict

pytestmark = pytest.mark.campaign

WRITES = ("put", "put_many", "update", "delete", "transact", "complete")


@dataclass(frozen=True)
class Operation:
    """`again`: asked once more after a fault it has to succeed; a deletion may find that it is done."""

    before: Callable[[Actor], object]
    act: Callable[[Actor], object]
    again: bool = True


def _blobs(actor: Actor) -> None:
    for data in (CONFIG, BASE, TOP):
        actor.upload(data)


def _tagged(actor: Actor) -> None:
    actor.push_image(BASE, tags=("v1", "v2"))


def _binned(actor: Actor) -> None:
    _tagged(actor)
    actor.delete(Digest.of(ONE))


def _children(actor: Actor) -> None:
    _blobs(actor)
    actor.push(ONE)
    actor.push(TWO)


def _index_due(actor: Actor) -> None:
    _children(actor)
    actor.push(BOTH, "v1")
    actor.delete("v1")
    actor.pass_time(GRACE_S)


def _uploads_due(actor: Actor) -> None:
    actor.upload(BASE)
    actor.pass_time(GRACE_S)


OPERATIONS: Mapping[str, Operation] = {
    "upload": Operation(lambda actor: None, lambda actor: actor.upload(BASE)),
    "upload of what is here": Operation(_blobs, lambda actor: actor.upload(BASE)),
    "mount": Operation(_blobs, lambda actor: actor.mount(BASE)),
    "push of an image": Operation(_blobs, lambda actor: actor.push(ONE, "v1")),
    "push over a tag": Operation(_tagged, lambda actor: actor.upload(TOP) and actor.push(TWO, "v1")),
    "push of an index": Operation(_children, lambda actor: actor.push(BOTH, "v1")),
    "push of a large manifest": Operation(
        _blobs, lambda actor: actor.push(image(BASE, annotations={"note": "x" * 20_000}), "v1")
    ),
    "push out of the bin": Operation(_binned, lambda actor: actor.push(ONE, "v1")),
    "deletion of a tag": Operation(_tagged, lambda actor: actor.delete("v1"), again=False),
    "deletion of a manifest": Operation(_tagged, lambda actor: actor.delete(Digest.of(ONE)), again=False),
    "deletion of a blob": Operation(_blobs, lambda actor: actor.delete_blob(BASE), again=False),
    "sweep of an index": Operation(_index_due, lambda actor: actor.sweep()),
    "sweep of an upload": Operation(_uploads_due, lambda actor: actor.sweep()),
    "release": Operation(_uploads_due, lambda actor: actor.release(BASE)),
}
FAULTS: Mapping[str, Fault] = {"before": FAIL_BEFORE, "after": FAIL_AFTER, "crash": CRASH_AFTER}


class Trials:
    def __init__(self, stack: Stack, clock: FrozenClock) -> None:
        self._stack = stack
        self._clock = clock
        self._made = 0

    def calls(self, operation: Operation) -> list[str]:
        worker = Worker()
        world = self._world(operation)
        operation.act(Actor(world, worker))
        wrong = verdict(world, drain=False)
        assert wrong == []
        return worker.calls

    def run(self, operation: Operation, call: int, fault: Fault) -> list[str]:
        world = self._world(operation)
        world.faults = True
        with contextlib.suppress(Crashed):
            operation.act(Actor(world, Worker(plan={call: fault})))
        if operation.again:
            operation.act(Actor(world))
            if any(deed.outcome != "acknowledged" for deed in world.deeds[-1:]):
                world.broken.append(f"asked once more, it is {world.deeds[-1].outcome}")
        return verdict(world)

    def _world(self, operation: Operation) -> World:
        self._made += 1
        world = World(self._stack, self._clock, self._made)
        operation.before(Actor(world))
        return world


@pytest.mark.parametrize("name", OPERATIONS)
def test_whichever_call_fails_nothing_is_lost_or_left(name: str, stack: Stack, clock: FrozenClock) -> None:
    operation, trials = OPERATIONS[name], Trials(stack, clock)
    wrong = {}
    for number, call in enumerate(trials.calls(operation), 1):
        for kind, fault in FAULTS.items():
            # After a read, an answer that was lost is a call that failed, and a crash one that came before.
            if kind != "before" and call.split(".")[1] not in WRITES:
                continue
            if found := trials.run(operation, number, fault):
                wrong[f"{number} {call}, {kind}"] = found
    assert wrong == {}


@pytest.mark.parametrize(
    ("name", "call", "kind"),
    [
        ("push of an image", "table.transact", "after"),
        ("push over a tag", "table.transact", "crash"),
        ("deletion of a tag", "table.transact", "after"),
        ("sweep of an upload", "table.delete", "crash"),
    ],
)
def test_a_call_of_dynamodb_that_fails_loses_and_leaves_nothing(
    name: str, call: str, kind: str, stack: Stack, clock: FrozenClock, tmp_path: Path
) -> None:
    """R6, X3"""
    with open_moto_table(tmp_path) as table:
        trials = Trials(with_table(stack, table), clock)
        number = trials.calls(OPERATIONS[name]).index(call) + 1
        assert trials.run(OPERATIONS[name], number, FAULTS[kind]) == []


def _finish(actor: Actor, upload_id: str, data: bytes) -> None:
    """One request that ends an upload, as a client sends it."""
    caller = actor.world.caller
    held = actor.registry.upload(caller, NAME, upload_id)
    writer = actor.registry.resume(caller, NAME, upload_id, held.offset)
    try:
        writer.append(data[held.offset :])
        writer.finish(Digest.of(data))
    finally:
        writer.close()


@pytest.mark.parametrize("data", [BASE, BASE * 4000], ids=["small", "in parts"])
@pytest.mark.parametrize("kind", ["before", "after"])
def test_a_client_may_send_the_end_of_an_upload_again(kind: str, data: bytes, stack: Stack, clock: FrozenClock) -> None:
    """R1: it ends well, or the session is known to be over, and the client begins another."""
    for call in range(1, 20):
        world = World(stack, clock, call)
        upload = Actor(world).registry.start_upload(world.caller, NAME)
        worker = Worker(plan={call: FAULTS[kind]})
        with contextlib.suppress(Unavailable):
            _finish(Actor(world, worker), upload.id, data)
        with contextlib.suppress(UploadUnknown):
            _finish(Actor(world), upload.id, data)
        Actor(world).upload(data)
        assert Actor(world).registry.blob(world.caller, NAME, Digest.of(data)).size == len(data)
        assert verdict(world) == []
        if len(worker.calls) < call:
            return
