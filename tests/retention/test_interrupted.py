"""P5: a run that is killed or fails at any call goes on, and tells of every tag once."""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chalicelib.chain import WORKERS
from chalicelib.collection.service import Fsck
from chalicelib.kernel.errors import Unavailable
from chalicelib.retention import runs
from chalicelib.tasks.service import Tasks
from tests.background import run_background
from tests.faults.ports import FAIL_AFTER, FAIL_BEFORE, TABLE_WRITES, Fault, faulty
from tests.faults.turns import CRASH_AFTER, Crashed, Worker
from tests.stacks import FrozenClock, embedded_stack

from .shelf import Shelf, Told

MEMORY = Path("/dev/shm")
FAULTS = [FAIL_BEFORE, FAIL_AFTER, CRASH_AFTER]
READS = 12


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where the machine has such a folder: these tests write much."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as made:
        yield Path(made)


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
    """A shelf that was filled once; each run has a copy of its own, with nothing that an earlier one left behind."""

    folder: Path
    shelf: Shelf
    dry_run: bool

    @classmethod
    def filled(cls, folder: Path, clock: FrozenClock, *, dry_run: bool) -> Scene:
        with embedded_stack(folder / "filled", clock) as stack:
            shelf = Shelf.opened(stack, clock)
            fill(shelf)
            shelf.rule("v*", 2)
            shelf.rule("**", 3, "base")
        return cls(folder, shelf, dry_run)

    @contextlib.contextmanager
    def _copy(self) -> Iterator[Shelf]:
        clock, copied = FrozenClock(self.shelf.clock.now()), self.folder / "copied"
        shutil.copytree(self.folder / "filled", copied)
        with embedded_stack(copied, clock) as stack:
            yield Shelf(replace(self.shelf.library, stack=stack), clock)
        shutil.rmtree(copied)

    def run(self, fault: Fault | None = None, call: int = 0) -> list[str]:
        """One that is interrupted at that call and goes on; answers the calls up to there."""
        with self._copy() as shelf:
            wanted = shelf.oracle(None, "app", "base")
            run = shelf.begin(dry_run=self.dry_run)
            calls = begun(shelf, fault, call, run).calls
            for _ in range(3):
                shelf.clock.advance(301)
                run_background(shelf.stack)
            require_exact(shelf, run, wanted, dry_run=self.dry_run)
            assert list(Fsck(shelf.stack).run()) == []
        return calls


def sampled(calls: list[str]) -> list[int]:
    """Every write, as what is left to go on from changes with those alone, and some of the reads between them."""
    places = range(1, len(calls) + 1)
    writes = [place for place in places if calls[place - 1] in TABLE_WRITES]
    reads = [place for place in places if place not in writes]
    return sorted(writes + random.Random(1).sample(reads, READS))


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("fault", FAULTS, ids=["before", "after", "crash"])
@pytest.mark.parametrize("dry_run", [True, False], ids=["dry run", "run"])
@pytest.mark.parametrize(
    "whole", [pytest.param(False, marks=pytest.mark.campaign), pytest.param(True, marks=pytest.mark.exhaustive)]
)
def test_interrupted_at_any_call_a_run_tells_of_each_tag_once(
    folder: Path, clock: FrozenClock, fault: Fault, dry_run: bool, whole: bool
) -> None:
    """P5: campaigns have every write and a sample of the reads; each call is in the exhaustive one."""
    scene = Scene.filled(folder, clock, dry_run=dry_run)
    calls = scene.run()
    assert len(calls) > 20
    assert calls.count("table.transact") > 3
    for call in range(1, len(calls) + 1) if whole else sampled(calls):
        scene.run(fault, call)


@pytest.mark.campaign
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
