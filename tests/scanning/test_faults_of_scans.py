"""Calls of a scan's steps fail, each once, before it or after it: the scan ends well all the same."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from chalicelib.chain import WORKERS
from chalicelib.collection.service import Fsck
from chalicelib.kernel.errors import Refused
from chalicelib.ports.stack import Stack
from chalicelib.tasks.service import CLAIM, Tasks
from tests.faults.ports import FAIL_AFTER, FAIL_BEFORE, Fault, Faults, faulty
from tests.stacks import FrozenClock, embedded_stack

from .shelf import DEBIAN, PYTHON, Shelf

# Steps of the scan below: two layers, then the report. Beyond these a scan goes round in circles.
MOST_STEPS = 12


def scanned(shelf: Shelf, digest: str, clock: FrozenClock, faults: Faults) -> None:
    """The scan of tag v1, whose steps meet these faults."""
    task_id = shelf.begin()
    stack: Stack = faulty(shelf.stack, faults)
    for _ in range(MOST_STEPS):
        with contextlib.suppress(Refused):
            Tasks(stack).carry_out(shelf.instance.id, task_id, WORKERS)
        if shelf.task(task_id).finished:
            break
        clock.advance(CLAIM.total_seconds() + 1)
    assert (shelf.task(task_id).state, shelf.task(task_id).error) == ("succeeded", "")
    record = shelf.record(digest)
    assert (record.state, record.critical, record.high, record.task) == ("succeeded", 1, 1, "")


def opened(folder: Path, clock: FrozenClock) -> tuple[Shelf, str]:
    shelf = Shelf.opened(embedded_stack(folder, clock))
    shelf.import_database()
    return shelf, shelf.push(DEBIAN, PYTHON)


@pytest.mark.usefixtures("large_layers")
@pytest.mark.parametrize("fault", [FAIL_BEFORE, FAIL_AFTER], ids=["before", "after"])
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.campaign), 11])
def test_scan_ends_well_whichever_call_of_it_fails(tmp_path: Path, fault: Fault, every: int) -> None:
    """Some of them here, others for each kind of fault; the campaign meets all."""
    clock = FrozenClock()
    shelf, digest = opened(tmp_path / "counted", clock)
    without = Faults({})
    with shelf.stack:
        scanned(shelf, digest, clock, without)
    first = 1 if fault is FAIL_BEFORE else 1 + every // 2
    for number in range(first, len(without.calls) + 1, every):
        clock = FrozenClock()
        shelf, digest = opened(tmp_path / str(number), clock)
        with shelf.stack:
            scanned(shelf, digest, clock, Faults({number: fault}))
            lost = [found for found in Fsck(shelf.stack).run() if found.kind == "lost"]
            assert lost == [], f"call {number}: {without.calls[number - 1]}"
