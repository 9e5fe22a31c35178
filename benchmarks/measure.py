"""One row, once: warm up, empty the disk's queue, run the load, read what it cost the server."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import LoadFailed, drive
from benchmarks.machine import busy_s
from benchmarks.operations import fetch_directly
from benchmarks.process import Server
from benchmarks.results import Sample, percentile_ms
from benchmarks.rows import Row, Workload
from benchmarks.wrk import run_wrk

_WARM_UP_S = 0.4
_BIG_PUSHES_PER_CONNECTION = 4
_BIG_PUSHES_LEAST = 12
_SETTLE_S = 0.5
"""Work a server puts off until after its answer belongs to the request: its CPU is read this much later."""
_ERRORS_KEPT = 3
OWN_CLIENT = "python"
WRK_CLIENT = "wrk"


@dataclass(frozen=True)
class Effort:
    """How much load one repetition is.

    seconds  of each row that is limited by time
    quick    a handful of large pushes, to see that everything works rather than how fast
    wrk      path of wrk, None to use our own client for everything
    folder   for scratch files of the client
    """

    seconds: int
    quick: bool
    wrk: str | None
    folder: Path

    def operations(self, row: Row, connections: int) -> int | None:
        """How many operations a counted row is; None where the time limits it."""
        if not row.counted:
            return None
        return 2 * connections if self.quick else max(_BIG_PUSHES_LEAST, _BIG_PUSHES_PER_CONNECTION * connections)


def choose_client(address: tuple[str, int], workload: Workload, effort: Effort) -> str:
    """wrk for a steady GET that is answered 200 at once, our own client for everything else and for redirects."""
    request = workload.steady
    if effort.wrk is None or request is None:
        return OWN_CLIENT
    probe = drive(address, 1, lambda: fetch_directly(request), most=1)
    return OWN_CLIENT if probe.errors else WRK_CLIENT


def measure(
    server: Server,
    address: tuple[str, int],
    workload: Workload,
    row: Row,
    connections: int,
    effort: Effort,
    client: str,
) -> Sample:
    """One repetition of a row; raises LoadFailed when it gives no figures."""
    warmed = drive(address, connections, workload.make, _WARM_UP_S, most=connections if row.counted else None)
    if not warmed.latencies_ns:
        raise LoadFailed(warmed.errors[0] if warmed.errors else "nothing ended during the warm-up")
    os.sync()
    server.reset_peak_memory()
    cpu_before_s, busy_before_s, begun = server.cpu_s(), busy_s(), time.perf_counter()
    taken = _run(address, workload, row, connections, effort, client)
    if row.writes:
        time.sleep(_SETTLE_S)
    cpu_s = server.cpu_s() - cpu_before_s
    foreign_s = busy_s() - busy_before_s - cpu_s - taken.client_cpu_s
    core_s = (time.perf_counter() - begun) * len(os.sched_getaffinity(0))
    unit = row.payload_bytes / 1e6 if row.payload_bytes else 1.0
    return Sample(
        rate=taken.operations * unit / taken.elapsed_s,
        p50_ms=taken.p50_ms,
        p99_ms=taken.p99_ms,
        server_cpu_ms=cpu_s * 1e3 / taken.operations,
        client_cpu_ms=taken.client_cpu_s * 1e3 / taken.operations,
        peak_memory_bytes=server.peak_memory_bytes(),
        operations=taken.operations,
        foreign_share=max(0.0, foreign_s / core_s),
        errors=taken.errors,
    )


@dataclass(frozen=True)
class _Taken:
    operations: int
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    client_cpu_s: float
    errors: tuple[str, ...]


def _run(
    address: tuple[str, int], workload: Workload, row: Row, connections: int, effort: Effort, client: str
) -> _Taken:
    if client == WRK_CLIENT and effort.wrk and workload.steady:
        seen = run_wrk(effort.wrk, address, connections, workload.steady, effort.seconds, effort.folder)
        errors = (f"{seen.errors} errors counted by wrk",) if seen.errors else ()
        return _Taken(seen.operations, seen.elapsed_s, seen.p50_ms, seen.p99_ms, seen.client_cpu_s, errors)
    most = effort.operations(row, connections)
    seconds = 3600.0 if most else float(effort.seconds)
    outcome = drive(address, connections, workload.make, seconds, most)
    if not outcome.latencies_ns:
        raise LoadFailed(outcome.errors[0] if outcome.errors else "no operation ended")
    return _Taken(
        len(outcome.latencies_ns),
        outcome.elapsed_s,
        percentile_ms(outcome.latencies_ns, 0.5),
        percentile_ms(outcome.latencies_ns, 0.99),
        outcome.client_cpu_s,
        tuple(outcome.errors[:_ERRORS_KEPT]),
    )
