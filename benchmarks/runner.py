"""The whole run: every repetition starts each registry afresh on an empty folder, one at a time, in turning order.

One at a time, because two cores cannot serve two; in turning order, so that whatever else the machine does
falls on all of them alike. The folder is wiped and the disk's queue emptied between two registries.
"""

import contextlib
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load import LoadFailed
from benchmarks.measure import OWN_CLIENT, Effort, choose_client, measure
from benchmarks.process import Server, ServerFailed
from benchmarks.results import Measurement, Sample
from benchmarks.rows import Row
from benchmarks.stage import Stage
from benchmarks.subjects import Subject
from benchmarks.target import Gate, NoAccess

_SETTLE_S = 1.0


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    port  where servers listen; 0 for any free one
    tags  in the repository whose tag page is read
    """

    subjects: Sequence[Subject]
    rows: Sequence[Row]
    connections: Sequence[int]
    repetitions: int
    effort: Effort
    data: Path
    port: int
    tags: int


@dataclass
class _Cell:
    client: str = OWN_CLIENT
    samples: list[Sample] = field(default_factory=list)
    failure: str | None = None


def say(text: str) -> None:
    """Progress, apart from the results."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def started(subject: Subject, data: Path, port: int) -> Iterator[Stage]:
    """The registry on an empty folder, ended and wiped afterwards."""
    folder = data / subject.key
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with restarted(subject, data, port or free_port()) as stage:
            yield stage
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.sync()
        time.sleep(_SETTLE_S)


@contextlib.contextmanager
def restarted(subject: Subject, data: Path, port: int) -> Iterator[Stage]:
    """The registry on the folder as it is."""
    launch = subject.launch(data / subject.key, port)
    ready_url = f"http://127.0.0.1:{port}{subject.ready_path}"
    with Server(launch, ready_url, data / f"{subject.key}.log") as server:
        try:
            yield Stage(server, port, Gate(port, subject.account))
        except LoadFailed:
            say(server.log_tail())
            raise


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_rows(plan: Plan) -> tuple[Measurement, ...]:
    """Every row with every number of connections on every subject."""
    cells = {
        (row.key, connections, subject.key): _Cell()
        for row in plan.rows
        for connections in plan.connections
        for subject in plan.subjects
    }
    for repetition in range(plan.repetitions):
        turn = repetition % max(1, len(plan.subjects))
        for subject in [*plan.subjects[turn:], *plan.subjects[:turn]]:
            say(f"repetition {repetition + 1} of {plan.repetitions}: {subject.title}")
            try:
                with started(subject, plan.data, plan.port) as stage:
                    _run_subject(plan, subject, stage, cells)
            except (ServerFailed, NoAccess, LoadFailed, OSError) as failure:
                _fail_rest(cells, subject, f"{type(failure).__name__}: {failure}")
    return tuple(
        Measurement(
            row=row,
            connections=connections,
            subject=subject,
            client=cell.client,
            samples=tuple(cell.samples),
            failure=cell.failure,
        )
        for (row, connections, subject), cell in cells.items()
    )


def _run_subject(plan: Plan, subject: Subject, stage: Stage, cells: dict[tuple[str, int, str], _Cell]) -> None:
    for row in plan.rows:
        for connections in plan.connections:
            cell = cells[row.key, connections, subject.key]
            try:
                workload = row.prepare(stage, plan.tags)
                cell.client = choose_client(stage.address, workload, plan.effort)
                sample = measure(stage.server, stage.address, workload, row, connections, plan.effort, cell.client)
            except (LoadFailed, OSError) as failure:
                cell.failure = str(failure)
                say(f"  {row.key} × {connections}: FAILED: {failure}\n{stage.server.log_tail()}")
                continue
            cell.samples.append(sample)
            times = f"p50 {sample.p50_ms:.2f} ms p99 {sample.p99_ms:.2f} ms cpu {sample.server_cpu_ms:.3f} ms"
            say(f"  {row.key} × {connections}: {sample.rate:,.0f}/s {times} errors {len(sample.errors)}")


def _fail_rest(cells: dict[tuple[str, int, str], _Cell], subject: Subject, failure: str) -> None:
    """A registry that did not run has no figures, and says why in every one of its cells."""
    say(f"  FAILED: {failure}")
    for (_, _, key), cell in cells.items():
        if key == subject.key:
            cell.failure = cell.failure or failure
