"""P5: a run that is killed or fails at any call goes on, and tells of every tag once."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
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


def interrupt(shelf: Shelf, fault: Fault, *, dry_run: bool, first: int, stride: int) -> None:
    """At every so many calls, each by itself in a run of its own."""
    fill(shelf)
    shelf.rule("v*", 2)
    shelf.rule("**", 3, "base")
    calls = 0
    for call in range(first, 400, stride):
        wanted = shelf.oracle(None, "app", "base")
        run = shelf.begin(dry_run=dry_run)
        worker = begun(shelf, fault, call, run)
        for _ in range(3):
            shelf.clock.advance(301)
            run_background(shelf.stack)
        require_exact(shelf, run, wanted, dry_run=dry_run)
        if not dry_run:
            fill(shelf)
        calls = len(worker.calls)
        if calls < call:
            break
    assert 20 < calls < 400
    assert list(Fsck(shelf.stack).run()) == []


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("fault", FAULTS, ids=["before", "after", "crash"])
def test_interrupted_now_and_then_a_run_tells_of_each_tag_once(stack: Stack, clock: FrozenClock, fault: Fault) -> None:
    """P5: some calls of each kind; the campaign has them all."""
    interrupt(Shelf.opened(stack, clock), fault, dry_run=False, first=5 + 4 * FAULTS.index(fault), stride=13)


@pytest.mark.campaign
@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("fault", FAULTS, ids=["before", "after", "crash"])
@pytest.mark.parametrize("dry_run", [True, False], ids=["dry run", "run"])
def test_interrupted_at_any_call_a_run_tells_of_each_tag_once(
    stack: Stack, clock: FrozenClock, fault: Fault, dry_run: bool
) -> None:
    """P5"""
    interrupt(Shelf.opened(stack, clock), fault, dry_run=dry_run, first=1, stride=1)
