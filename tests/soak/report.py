"""The page that a run leaves."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.machine import describe_machine

from .campaign import SHORT_LIVES, Outcome
from .watch import MIB, PROCESSES, Look, Trend

_COLUMNS: Final = (
    *(f"{name} MiB" for name in (*PROCESSES, "table", "audit", "queues", "objects")),
    *("objects", "rows", "messages"),
)


def page(outcome: Outcome, command: str, folder: Path) -> str:
    """Markdown. command: what was typed."""
    figures, rate = outcome.figures, outcome.asked_rate
    seconds = figures.elapsed_s
    lines = [
        "# Soak: everything at once",
        "",
        f"`{command}`",
        "",
        f"{outcome.minutes:g} minutes at {rate:.0f} requests a second over real HTTP. A request leaves at every tick,",
        "whether earlier ones were answered or not; latencies count from the tick. The service is gateway and",
        "consumers, as of `make run`; the load comes from a process of its own on the same cores. Settings:",
        ", ".join(f"`{name}={value}`" for name, value in SHORT_LIVES.items()) + ".",
        "",
        *(f"- {name}: {value}" for name, value in describe_machine(folder, None) if name != "client for small GETs"),
        "",
        *_verdict(outcome),
        "## Requests",
        "",
        "| request | answered | p50 ms | p95 ms | p99 ms | slowest ms |",
        "|---|---|---|---|---|---|",
        *_latencies(outcome),
        "",
        f"Deeds begun: {', '.join(f'{count:,} × {name}' for name, count in sorted(figures.deeds.items()))}.",
        f"At most {figures.most_under_way} requests were under way at once; the latest tick left"
        f" {figures.latest_tick_s * 1000:.0f} ms late.",
        f"CPU: service {outcome.service_cpu_s / seconds:.2f} cores, which is"
        f" {outcome.service_cpu_s / figures.answered * 1000:.2f} ms a request with all that follows from it; client"
        f" {outcome.client_cpu_s / seconds:.2f} cores.",
        f"Tokens that ended with their repository and were asked for anew: {outcome.renewed}.",
        "",
        "## What may not grow",
        "",
        "Medians of the first and the last third of the time after the warm-up; memory is the proportional set size.",
        "",
        "| figure | first third | last third | may grow by | |",
        "|---|---|---|---|---|",
        *map(_trend, outcome.trends),
        "",
        *_course(outcome.watch.looks),
    ]
    return "\n".join(lines) + "\n"


def _verdict(outcome: Outcome) -> Iterator[str]:
    figures = outcome.figures
    yield "| what | figure |"
    yield "|---|---|"
    yield f"| requests answered a second | {figures.rate:.1f} of {outcome.asked_rate:.0f} |"
    yield f"| requests answered | {figures.answered:,} |"
    yield f"| tags that stood at the end, pulled whole, byte for byte | {outcome.pulled_at_end} |"
    if outcome.faults:
        yield f"| **faults** | {len(outcome.faults)} |"
        yield ""
        yield from (f"- {fault}" for fault in outcome.faults[:20])
    else:
        yield "| `MANIFEST_BLOB_UNKNOWN` after a blob was answered for | 0 |"
        yield "| answers 5xx, or any other status than the one due | 0 |"
        yield "| failures in the log, dead letters, messages left | 0 |"
        yield "| `crs fsck --deep` at the end | clean |"
    yield ""


def _latencies(outcome: Outcome) -> Iterator[str]:
    for kind, seconds in sorted(outcome.figures.latencies.items()):
        if len(seconds) > 1:
            cuts = statistics.quantiles(seconds, n=100, method="inclusive")
            told = " | ".join(f"{one * 1000:.1f}" for one in (cuts[49], cuts[94], cuts[98], max(seconds)))
            yield f"| {kind} | {len(seconds):,} | {told} |"
    every = [one for kind in outcome.figures.latencies.values() for one in kind]
    cuts = statistics.quantiles(every, n=100, method="inclusive")
    told = " | ".join(f"{one * 1000:.1f}" for one in (cuts[49], cuts[94], cuts[98], max(every)))
    yield f"| **all** | {len(every):,} | {told} |"


def _course(looks: Sequence[Look]) -> Iterator[str]:
    """Ten moments of the run, and the rows of the last."""
    if not looks:
        return
    yield "## Course"
    yield ""
    yield f"| after s | {' | '.join(_COLUMNS)} |"
    yield f"|---|{'---|' * len(_COLUMNS)}"
    for one in looks[:: max(1, len(looks) // 10)]:
        sizes = [*one.memory[: len(PROCESSES)], *one.tables.values(), one.objects_bytes]
        counts = [one.objects, sum(one.rows.values()), sum(one.messages.values())]
        figures = [*(f"{size / MIB:.1f}" for size in sizes), *(f"{count:,}" for count in counts)]
        yield f"| {one.at_s:.0f} | {' | '.join(figures)} |"
    yield ""
    last = looks[-1].rows
    yield f"Rows at the end: {', '.join(f'{count:,} {name}' for name, count in sorted(last.items()))}."
    yield "The audit record keeps every push and deletion, and so grows with them, as it is meant to."


def _trend(one: Trend) -> str:
    figures = " | ".join(_told(one.name, figure) for figure in (one.first, one.last, one.allowed))
    return f"| {one.name} | {figures} | {'flat' if one.flat else 'grows'} |"


def _told(name: str, figure: float) -> str:
    if name.startswith(("memory", "bytes")):
        return f"{figure / MIB:.1f} MiB"
    return f"{figure:,.0f}"
