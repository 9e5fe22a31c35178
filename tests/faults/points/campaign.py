"""`make campaign-faults`: every call of every operation fails before, fails after, and is the last of its process.

python -m tests.faults.points.campaign [--points 10000] [--seed 1] [--processes 2] [--operations "push of an image,…"]

One cell after another: an operation in the scene of a seed. Cells that are done are kept under build/faults, by the
version of the code, so that a run goes on where an earlier one stopped; after the last one the report is written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from .catalogue import OPERATIONS
from .cells import Cell, carried_out
from .kinds import AT_EVERY_CALL, KINDS

PROJECT: Final = Path(__file__).parents[3]
MEMORY: Final = Path("/dev/shm")

Job = tuple[str, int, int, Path]


def code_version() -> str:
    """Of the product and of the campaign itself: what another version found proves nothing of this one."""
    state = hashlib.sha256()
    for folder in ("chalicelib", "tests/faults"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            state.update(f"{path.relative_to(PROJECT)} ".encode() + path.read_bytes())
    return state.hexdigest()[:12]


class State:
    """What is done, a line a cell."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.cells: dict[tuple[str, int], Cell] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                cell = Cell(**json.loads(line))
                self.cells[cell.key] = cell

    def note(self, cell: Cell) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(cell.as_dict()) + "\n")
        self.cells[cell.key] = cell

    @property
    def points(self) -> int:
        return sum(sum(cell.points.values()) for cell in self.cells.values())


def _job(job: Job) -> Cell:
    operation, number, seed, folder = job
    return carried_out(operation, number, seed, folder)


def run(state: State, names: Iterable[str], points: int, seed: int, processes: int) -> None:
    """Round after round over the operations, each round with other scenes: the first to its end, then until there are
    so many points."""
    memory = MEMORY if MEMORY.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=memory))
    try:
        with multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=8) as pool:
            number = 0
            while number == 0 or state.points < points:
                missing = [(name, number, seed, folder) for name in names if (name, number) not in state.cells]
                for cell in pool.imap_unordered(_job, missing):
                    state.note(cell)
                    _tell(cell, state)
                    if number and state.points >= points:
                        return
                number += 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tell(cell: Cell, state: State) -> None:
    done = sum(cell.points.values())
    print(f"{state.points} points; {cell.operation}, round {cell.round}: {done} in {cell.seconds:.0f} s", flush=True)
    for finding in cell.findings:
        print(f"  {finding}", flush=True)


# The report

_HEAD: Final = """\
# Faults

`make campaign-faults` on {machine}, Python {python}, seed {seed}, code {version} ({commit}): **{points} points,
{findings} findings**, in {minutes:.0f} minutes of one core.

A point is one operation, in a scene that a seed furnished (two namespaces, shared layers, indexes, signatures, things
in the recycle bin, a neighbour), that meets a fault at one of its calls of a table, an object store or a queue:

| kind | points | what happens |
|---|---|---|
{kinds}

After each: background work comes to rest; nothing is lost and every tag is as before or as after; what was not
acknowledged is asked for once more, and succeeds; three days later all that there is to see is what a run without
faults shows; `crs fsck --deep` finds nothing, no letter is dead, and every tag is pulled byte for byte, the neighbour's
too. Then everything is deleted, and after the grace period no row, no object and no counted byte is left.

| operation | of | scenes | calls of table, objects, queues | points | findings |
|---|---|---|---|---|---|
{operations}
"""
_MEANINGS: Final = {
    "before": "the call fails and had no effect; at every call",
    "after": "the call takes effect and its answer is lost; at every write",
    "killed": "the call is the last that the process makes; at every call",
    "throttled": "it and the next two to six calls fail",
    "conflict": "the transaction, and perhaps the next ones, is refused because others write the same rows",
    "unsaid": "a write of the table has no effect, and the answer is that nobody knows",
    "frozen": "the process stands still past its deadlines while the others go on, and then goes on itself",
    "pair": "a second fault a few calls later",
    "relapse": "a second fault while the first is put right",
    "twin": "the same is asked, whole, in the middle of it",
    "stale": "indexes show for a while what they showed when it began, and the call fails",
    "torn": "of many rows some are written, and the answer is that it failed",
    "messages": "messages and events are lost, doubled and shuffled, and the call fails",
}


def report(state: State, seed: int) -> str:
    cells = list(state.cells.values())
    kinds: Counter[str] = Counter()
    for cell in cells:
        kinds.update(cell.points)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True)
    return _HEAD.format(
        machine=platform.machine(),
        python=platform.python_version(),
        seed=seed,
        version=code_version(),
        commit=commit.stdout.strip() or "no commit",
        points=state.points,
        findings=sum(len(cell.findings) for cell in cells),
        minutes=sum(cell.seconds for cell in cells) / 60,
        kinds="\n".join(f"| {kind} | {kinds[kind]} | {_MEANINGS[kind]} |" for kind in KINDS if kinds[kind]),
        operations="\n".join(_operation_lines(cells)),
    )


def _operation_lines(cells: list[Cell]) -> Iterator[str]:
    for name, operation in OPERATIONS.items():
        mine = [cell for cell in cells if cell.operation == name]
        if not mine:
            continue
        calls = ", ".join(
            f"{min(numbers)}–{max(numbers)}"
            for port in ("table", "objects", "queues")
            if (numbers := [cell.calls.get(port, 0) for cell in mine])
        )
        points = sum(sum(cell.points.values()) for cell in mine)
        found = sum(len(cell.findings) for cell in mine)
        yield f"| {name} | {operation.group} | {len(mine)} | {calls} | {points} | {found} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000, help="at least so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--operations", default=",".join(OPERATIONS))
    parser.add_argument("--folder", type=Path, default=Path("build/faults"))
    parser.add_argument("--report", type=Path, default=Path("docs/campaigns/faults.md"))
    asked = parser.parse_args()
    state = State(asked.folder / f"{code_version()}-{asked.seed}.jsonl")
    begun = time.monotonic()
    run(state, asked.operations.split(","), asked.points, asked.seed, asked.processes)
    print(f"{state.points} points; {time.monotonic() - begun:.0f} s this time")
    if set(asked.operations.split(",")) == set(OPERATIONS):
        asked.report.parent.mkdir(parents=True, exist_ok=True)
        asked.report.write_text(report(state, asked.seed))
    return 1 if any(cell.findings for cell in state.cells.values()) else 0


__all__ = ["AT_EVERY_CALL", "State", "report", "run"]

if __name__ == "__main__":
    raise SystemExit(main())
