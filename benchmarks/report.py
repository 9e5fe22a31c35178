"""RESULTS.md from a run: who took part, the verdicts, the cost at scale, every figure with its range."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.results import Measurement, Run, Scale, Spread, SubjectFact, spread
from benchmarks.rows import ROWS, SCALE_ROWS, Row
from benchmarks.subjects import OURS
from benchmarks.verdict import CPU_FLOORS, SCALE_TOLERANCE, compare, cpu, judge, judge_scale, rates

_MIB = 1024 * 1024
_QUIET_SHARE = 0.1
"""More than this of the cores' time for others, and the figures say as much about them as about the registries."""
_ROWS = {row.key: row for row in (*ROWS, *SCALE_ROWS)}

_METHOD = """\
Every repetition starts each registry afresh on an empty folder of the same disk, one at a time, in turning order, on
the same two cores as the client. Ours checks a bearer token and its policies on every request, follows its blob
protocol and answers 201 only after fsync; the others are anonymous, with access logs off. Content is unique, uploads
send what was never sent before, redirects are followed. `wrk` (one thread) drives GETs of small things where it is
installed, as it costs least; a one-thread epoll client in Python drives everything else. What the client itself cost
is in the last column.

- **rate**: operations a second (MB a second where bytes are what counts): median (least–greatest) of the repetitions
- **CPU**: user and system time of the server's whole process tree for one operation, including half a second after the
  last answer of rows that write
- **memory**: peak resident set of the process tree during the row; pages shared between processes count for each
- **dropped by the kernel**: the client throws the body away uncopied (`MSG_TRUNC`), so the row shows what the server
  alone can hand out; the row above it reads every byte, and a fast server waits there for the client
- 64 MiB pushes are a fixed number; all other rows run for a fixed time. p99 of few operations is their slowest
- distribution 2.8 knows no pages of tags: it answers the whole list of {tags} tags
- zot as it comes does not fsync what it answers 201 to; `--subjects …,zot-commit` measures it with `commit: true`
"""

_OTHERS = """\
Of the management API: [requests a second and CPU for each](RESULTS-api.md), [the tag list with 10 and with 100 000
tags](RESULTS-tag-pages.md), [a month of a million audit records](RESULTS-audit.md).
"""


def write_report(run: Run, reasons: Mapping[str, str], tags: int) -> str:
    """The whole page.

    reasons  row → why ours is not ahead there, with its profile
    tags     in the repository of the tag page row
    """
    measured = [fact for fact in run.subjects if any(_of(run, fact.key))]
    parts = [
        "# Speed beside other registries",
        _facts(run),
        _OTHERS,
        "## How it was measured",
        _METHOD.format(tags=f"{tags:,}"),
        "## Verdicts",
        _verdicts(run, measured, reasons),
        *_scale_section(run),
        "## Every figure",
        *(_row_section(run, row, measured) for row in ROWS if any(m.row == row.key for m in run.measurements)),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _of(run: Run, subject: str) -> Iterable[Measurement]:
    return (measurement for measurement in run.measurements if measurement.subject == subject)


def _find(run: Run, row: str, connections: int, subject: str) -> Measurement | None:
    wanted = (row, connections, subject)
    return next((m for m in run.measurements if (m.row, m.connections, m.subject) == wanted), None)


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in rows)


def _facts(run: Run) -> str:
    versions = [
        f"- **{fact.title}**: {fact.version or 'MISSING: not installed, so not compared'}" for fact in run.subjects
    ]
    machine = [f"- {name}: {value}" for name, value in run.machine]
    disturbance = _disturbance(run)
    heading = f"{run.started_at}, {run.repetitions} repetitions of {run.seconds:g} s: `{run.command}`"
    return "\n".join([heading, "", *machine, *disturbance, "", *versions])


def _disturbance(run: Run) -> list[str]:
    """How much else ran, so that a disturbed run is never mistaken for a quiet one."""
    shares = [sample.foreign_share for measurement in run.measurements for sample in measurement.samples]
    if not shares:
        return []
    seen = spread(shares)
    said = (
        f"other work on these cores: {seen.median:.0%} of their time (median of all rows; at most {seen.greatest:.0%})"
    )
    return [f"- {said}", *(["- **A disturbed run: compare with care.**"] if seen.median > _QUIET_SHARE else [])]


def _connections(run: Run) -> list[int]:
    return sorted({measurement.connections for measurement in run.measurements})


def _number(value: float) -> str:
    """Three figures that matter."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _ranged(seen: Spread) -> str:
    return f"{_number(seen.median)} ({_number(seen.least)}–{_number(seen.greatest)})"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×"


def _verdicts(run: Run, measured: Sequence[SubjectFact], reasons: Mapping[str, str]) -> str:
    peers = [fact for fact in measured if fact.key != OURS]
    floors = ", ".join(f"{floor:g}× {key}" for key, floor in CPU_FLOORS.items())
    header = ["row", "connections", "ours", *(f"{fact.title}: rate · CPU" for fact in peers), "verdict"]
    lines: list[list[str]] = []
    open_rows: dict[str, list[str]] = {}
    for row in ROWS:
        for connections in _connections(run):
            ours = _find(run, row.key, connections, OURS)
            others = [_find(run, row.key, connections, fact.key) for fact in peers]
            if ours is None and not any(others):
                continue
            verdict = judge(ours, [other for other in others if other], row.cpu_floor)
            if verdict.kept is False:
                open_rows.setdefault(row.key, []).append(f"{connections} connections: {verdict.text}")
            rate = f"{_number(rates(ours).median)} {_unit(row)}" if ours and ours.samples else "–"
            ratios = [_ratios(ours, other) for other in others]
            mark = "" if verdict.kept is None else "✓ " if verdict.kept else "✗ "
            lines.append([row.title, str(connections), rate, *ratios, mark + verdict.text])
    intro = f"Ratios are ours to theirs: above 1 is faster, or cheaper. CPU floors of manifest and HEAD rows: {floors}."
    missing = [fact.title for fact in run.subjects if fact.version is None]
    if missing:
        intro += f" **Not compared, as not installed: {', '.join(missing)}.**"
    return "\n\n".join([intro, _table(header, lines), *_open_section(open_rows, reasons)])


def _ratios(ours: Measurement | None, other: Measurement | None) -> str:
    if not (ours and ours.samples and other and other.samples):
        return "–"
    seen = compare(ours, other)
    return f"{_times(seen.rate_ratio)} · {_times(seen.cpu_ratio)}"


def _open_section(open_rows: Mapping[str, Sequence[str]], reasons: Mapping[str, str]) -> list[str]:
    if not open_rows:
        return []
    texts = ["### Rows that are not there"]
    for key, findings in open_rows.items():
        reason = reasons.get(key, "No reason is recorded in `benchmarks/reasons.toml`.")
        texts.append(f"**{_ROWS[key].title}** ({'; '.join(findings)}). {reason.strip()}")
    return texts


def _unit(row: Row) -> str:
    return "MB/s" if row.payload_bytes else "/s"


def _row_section(run: Run, row: Row, measured: Sequence[SubjectFact]) -> str:
    header = ["connections", "registry", _unit(row), "p50 ms", "p99 ms", "CPU ms", "memory MiB", "client", "its CPU ms"]
    lines: list[list[str]] = []
    for connections in _connections(run):
        for fact in measured:
            found = _find(run, row.key, connections, fact.key)
            if found:
                lines.append([str(connections), fact.title, *_figures(found)])
    return f"### {row.title}\n\n{_table(header, lines)}"


def _figures(found: Measurement) -> list[str]:
    if not found.samples:
        return [f"failed: {(found.failure or 'no figures')[:160]}".replace("\n", " "), *["–"] * 6]
    samples = found.samples
    errors = sum(len(sample.errors) for sample in samples)
    notes = (f" **{errors} errors**" if errors else "") + (" **a repetition failed**" if found.failure else "")
    return [
        _ranged(rates(found)) + notes,
        _ranged(spread([sample.p50_ms for sample in samples])),
        _ranged(spread([sample.p99_ms for sample in samples])),
        _ranged(cpu(found)),
        _number(spread([sample.peak_memory_bytes / _MIB for sample in samples]).greatest),
        found.client,
        _number(spread([sample.client_cpu_ms for sample in samples]).median),
    ]


def _scale_section(run: Run) -> list[str]:
    if run.scale_failure:
        return ["## Cost at scale", f"Not measured: {run.scale_failure}"]
    return ["## Cost at scale", _scale(run.scale)] if run.scale else []


def _scale(scale: Scale) -> str:
    header = ["request", "connections", f"{scale.small_tags} tags, /s", f"{scale.large_tags:,} tags, /s"]
    header += ["rate kept", "CPU ms", "verdict"]
    lines = []
    for small, large in zip(scale.small, scale.large, strict=True):
        verdict = judge_scale(small, large)
        kept = rates(large).median / rates(small).median
        costs = f"{_number(cpu(small).median)} → {_number(cpu(large).median)}"
        title = _ROWS[small.row].title
        ends = _ranged(rates(small)), _ranged(rates(large))
        mark = "✓ " if verdict.kept else "✗ "
        lines.append([title, str(small.connections), *ends, _times(kept), costs, mark + verdict.text])
    intro = (
        f"The same requests to `{scale.subject}` in a repository of {scale.small_tags} tags and in one of"
        f" {scale.large_tags:,}, both in one running service, alternating. The large one was filled over the API in"
        f" {scale.fill_s:.1f} s: one manifest, PUT by digest with ten `?tag=` at a time. “The same” is within"
        f" {SCALE_TOLERANCE:.0%}. Started again on that folder, the service was ready after {scale.restart_s:.2f} s."
    )
    return f"{intro}\n\n{_table(header, lines)}"
