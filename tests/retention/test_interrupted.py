"""P5: a run that is killed or fails at any call goes on, and tells of every tag once."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.chain import WORKERS
from chalicelib.collection.service import Fsck
from chalicelib.kernel.errors import Unavailable
from chalicelib.ports.stack import Stack
from chalicelib.retention import runs
from chalicelib.tasks.service import Tasks
from tests.background import run_background
from tests.faults.ports import FAIL_AFTER, FAIL_BEFORE, Fault, faulty
from tests.faults.turns import CRASH_AFTER, Crashed, Worker
from tests.stacks import FrozenClock, embedded_stack

from .shelf import Shelf, Told

pytestmark = pytest.mark.campaign

MEMORY = Path("/dev/shm")
FAULTS = [FAIL_BEFORE, FAIL_AFTER, CRASH_AFTER]


@pytest.fixture
def stack(clock: FrozenClock) -> Iterator[Stack]:
    """In memory where the machine has such a folder: these tests write much."""
    with (
        tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder,
        embedded_stack(Path(folder), clock) as opened,
    ):
        yield opened


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several steps of few tags, so that there is much to interrupt."""
    monkeypatch.setattr(runs, "TAGS_A_STEP", 4)


def fill(shelf: Shelf) -> None:
    for number in range(4):
        shelf.push(f"v{number}", repository="app")
    shelf.push("v0-accelerated", "v3-accelerated", repository="app")
    shelf.push("v1-accelerated", repository="app", layer=b"layer of app:v1")
    shelf.push("latest", "v4", repository="app")
    shelf.push("b0", "b1", repository="base")
    shelf.push("b2", repository="base")


def begun(shelf: Shelf, fault: Fault | None, call: int, run: str) -> Worker:
    """Steps until one is interrupted at that call of the whole run, or the run is through."""
    worker = Worker(plan={call: fault} if fault else {})
    ports = faulty(shelf.stack, worker)
    with contextlib.suppress(Crashed, Unavailable):
        while Tasks(ports).carry_out(shelf.library.instance.id, run, WORKERS):
            pass
    return worker


def require_exact(shelf: Shelf, run: str, wanted: Told, *, dry_run: bool) -> None:
    shown, told = shelf.shown(run), shelf.told(run)
    assert shown["state"] == "succeeded", shown
    assert told == wanted
    verdicts = [verdict for verdict, _, _ in wanted.values()]
    counts = {name: shown[name] for name in ("kept", "deleted", "skipped")}
    assert counts == {name: verdicts.count(name) for name in counts}
    assert shown["looked_at"] == len(wanted)
    for name in ("app", "base"):
        verdicts_there = {tag: told[0] for (repository, tag), told in wanted.items() if repository == name}
        assert shelf.tags(name) == {tag for tag, verdict in verdicts_there.items() if dry_run or verdict == "kept"}


@dataclass(frozen=True)
class Scene:
    """A shelf that is filled anew for each run."""

    shelf: Shelf
    dry_run: bool = False

    @classmethod
    def opened(cls, stack: Stack, clock: FrozenClock, *, dry_run: bool = False) -> Scene:
        shelf = Shelf.opened(stack, clock)
        fill(shelf)
        shelf.rule("v*", 2)
        shelf.rule("**", 3, "base")
        return cls(shelf, dry_run)

    def run(self, fault: Fault | None = None, call: int = 0) -> list[str]:
        """One that is interrupted at that call and goes on; answers the calls up to there."""
        shelf = self.shelf
        wanted = shelf.oracle(None, "app", "base")
        run = shelf.begin(dry_run=self.dry_run)
        calls = begun(shelf, fault, call, run).calls
        for _ in range(3):
            shelf.clock.advance(301)
            run_background(shelf.stack)
        require_exact(shelf, run, wanted, dry_run=self.dry_run)
        if not self.dry_run:
            fill(shelf)
        return calls


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("fault", FAULTS, ids=["before", "after", "crash"])
def test_interrupted_where_it_deletes_and_where_it_tells_a_run_tells_of_each_tag_once(
    stack: Stack, clock: FrozenClock, fault: Fault
) -> None:
    """P5: the campaign has all calls."""
    scene = Scene.opened(stack, clock)
    places = [place for place, name in enumerate(scene.run(), 1) if name == "table.transact"]
    assert len(places) > 3
    for place in places:
        scene.run(fault, place)
    assert list(Fsck(stack).run()) == []


def test_a_step_that_had_told_a_part_when_it_was_killed_tells_of_each_tag_once(shelf: Shelf) -> None:
    """P5: more tags than one transaction tells of, followed by as many, so that both walks have more than one."""
    for start in range(0, 110, 11):
        names = [f"v{number}" for number in range(start, start + 11)]
        shelf.push(*names)
        shelf.push(*(f"{name}-accelerated" for name in names))
    shelf.rule("**", 1000)
    wanted = shelf.oracle()
    calls = begun(shelf, None, 0, shelf.begin(dry_run=True)).calls
    places = [place for place, name in enumerate(calls, 1) if name == "table.transact"]
    assert len(places) > 3
    for place in places:
        run = shelf.begin(dry_run=True)
        begun(shelf, CRASH_AFTER, place, run)
        shelf.clock.advance(301)
        run_background(shelf.stack)
        assert (shelf.told(run), shelf.shown(run)["kept"]) == (wanted, 220)


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("fault", FAULTS, ids=["before", "after", "crash"])
@pytest.mark.parametrize("dry_run", [True, False], ids=["dry run", "run"])
def test_interrupted_at_any_call_a_run_tells_of_each_tag_once(
    stack: Stack, clock: FrozenClock, fault: Fault, dry_run: bool
) -> None:
    """P5"""
    scene = Scene.opened(stack, clock, dry_run=dry_run)
    calls = len(scene.run())
    assert calls > 20
    for call in range(1, calls + 1):
        scene.run(fault, call)
    assert list(Fsck(stack).run()) == []
