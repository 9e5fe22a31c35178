"""R6, X3: whichever call of whatever operation fails, nothing is lost or left. The whole is `make campaign-faults`."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Put
from tests.registry.images import image

from ..ablations import leaving_out, unconditional
from .asking import Asking, Operation
from .campaign import MEMORY, State, report, run
from .catalogue import OPERATIONS
from .cells import carried_out, points_of
from .kinds import KINDS
from .scenes import APP, POOL, Scene
from .service import work
from .trials import Trials

# What CI runs: so many points, spread over all operations by a seed.
BOUNDED = 300
SEED = 20260131


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as made:
        yield Path(made)


@pytest.mark.parametrize("operation", random.Random(SEED).sample(sorted(OPERATIONS), 4))
def test_a_few_points_of_an_operation_lose_and_leave_nothing(operation: str, folder: Path) -> None:
    """R6, X3"""
    cell = carried_out(operation, 0, SEED, folder, most=4)
    assert cell.findings == []
    assert sum(cell.points.values()) == 4


@pytest.mark.campaign
@pytest.mark.parametrize("operation", OPERATIONS)
def test_seeded_points_of_every_operation_lose_and_leave_nothing(operation: str, folder: Path) -> None:
    """R6, X3: 300 in all."""
    most = -(-BOUNDED // len(OPERATIONS))
    cell = carried_out(operation, 1, SEED, folder, most=most)
    assert cell.findings == []


def test_every_call_is_failed_before_and_killed_at_and_every_write_fails_after() -> None:
    calls = ["table.get", "table.transact", "objects.put", "queues.send", "table.query"]
    points = list(points_of(calls, random.Random(1)))
    simple = {point for point in points if point[0] in ("before", "after", "killed")}
    assert {number for kind, number in simple if kind == "before"} == {1, 2, 3, 4, 5}
    assert {number for kind, number in simple if kind == "killed"} == {1, 2, 3, 4, 5}
    assert {number for kind, number in simple if kind == "after"} == {2, 3, 4}
    assert {kind for kind, _ in points} == set(KINDS) - {"torn"}
    assert len(points) == len(set(points))


# A campaign that could not find anything would prove nothing


def _push_with(ports: Stack) -> Stack:
    return leaving_out("EDGE#", "#MANIFEST#").stack(ports)


def _found(operation: Operation, folder: Path, kind: str = "before", call: int = 1) -> list[str]:
    return Trials(operation, "careless", folder).run(kind, call)


def test_a_push_that_holds_nothing_is_found_out(folder: Path) -> None:
    def prepare(scene: Scene, rng: random.Random) -> Asking:
        return Asking(lambda at: at.on(_push_with(at.stack)).push_image(b"held by nobody", tags=("v1",)))

    with pytest.raises(AssertionError, match="has no edge"):
        Trials(Operation("push", prepare), "careless", folder)


def _half_deletion(at: Scene) -> None:
    """A tag, with no transaction: its row first, what it holds second."""
    repository = at.repository().id
    at.stack.table.delete(keys.tag(repository, "careless"))
    at.stack.table.delete(keys.hold(repository, Digest.of(image(POOL[0])), "TAG", "careless"))


def test_a_deletion_that_stops_half_way_is_found_out(folder: Path) -> None:
    def prepare(scene: Scene, rng: random.Random) -> Asking:
        scene.push_image(POOL[0], tags=("careless",))
        scene.push_image(POOL[0], tags=("kept",), name=APP)

        def ask(at: Scene) -> None:
            if at.stack.table.get(keys.tag(at.repository().id, "careless")) is not None:
                _half_deletion(at)

        return Asking(ask)

    trials = Trials(Operation("delete", prepare), "careless", folder)
    second = [number for number, call in enumerate(trials.calls, 1) if call == "table.delete"][1]
    assert any("is held by tag careless, which is gone" in line for line in trials.run("before", second))


def test_work_that_only_a_message_knows_of_is_found_out(folder: Path) -> None:
    def prepare(scene: Scene, rng: random.Random) -> Asking:
        """Deletes a tag if nothing goes wrong before, and tells nobody that it was to."""
        scene.push_image(POOL[0], tags=("forgotten",))

        def ask(at: Scene) -> None:
            work(at)
            at.registry.delete(at.caller, APP, TagName("forgotten"))

        return Asking(ask, background=True)

    trials = Trials(Operation("collection", prepare), "careless", folder)
    assert any("there should not be: tag" in line for line in trials.run("before", len(trials.calls)))


def test_a_schedule_that_two_hosts_take_is_found_out(folder: Path) -> None:
    """P4: without the version of its policy it begins two runs."""
    real = OPERATIONS["a schedule of retention"]

    def prepare(scene: Scene, rng: random.Random) -> Asking:
        asking, without = real.prepare(scene, rng), unconditional(Put, "RETENTION")
        return replace(asking, ask=lambda at: asking.ask(at.on(without.stack(at.stack))))

    trials = Trials(Operation("retention", prepare), "careless", folder)
    beginning = trials.calls.index("table.transact") + 1
    assert any("retention ran" in line for line in trials.run("twin", beginning))


# Going on, and telling


@pytest.mark.campaign
def test_a_campaign_goes_on_where_it_stopped(tmp_path: Path) -> None:
    names = ["cancelled upload", "deletion of a tag"]
    state = State(tmp_path / "state.jsonl")
    run(state, names, 1, SEED, 1)
    done = state.points
    assert set(state.cells) == {(name, 0) for name in names}
    again = State(tmp_path / "state.jsonl")
    run(again, names, done + 1, SEED, 1)
    assert len(again.cells) == len(names) + 1, "one more sufficed"
    assert again.cells["cancelled upload", 0] == state.cells["cancelled upload", 0]


def test_a_report_adds_up(tmp_path: Path) -> None:
    state = State(tmp_path / "state.jsonl")
    cell = carried_out("cancelled upload", 0, SEED, tmp_path, most=5)
    state.note(cell)
    state.note(replace(cell, operation="upload", findings=["lost"]))
    text = report(state, SEED)
    assert "**10 points,\n1 findings**" in text
    assert "| cancelled upload | push | 1 |" in text
