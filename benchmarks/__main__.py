"""``python -m benchmarks``: measures this registry beside others and writes RESULTS.md and results.json.

A run of everything writes into ``benchmarks/``; a quick or partial one prints its page, and writes only where
``--output`` says, so that half a table never takes the place of a whole one. ``reasons.toml`` beside this file, where
it exists, holds for a row's key the text that the page shows when ours is not ahead there: the profile and the reason.
"""

import argparse
import shlex
import signal
import sys
import tempfile
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load import LoadFailed
from benchmarks.machine import describe_machine, pin_to_cores
from benchmarks.measure import Effort
from benchmarks.process import ServerFailed
from benchmarks.report import write_report
from benchmarks.results import Run, Scale, SubjectFact
from benchmarks.rows import ROWS
from benchmarks.runner import Plan, run_rows, say
from benchmarks.scale import run_scale
from benchmarks.subjects import OURS, Subject, list_subjects
from benchmarks.target import NoAccess
from benchmarks.wrk import find_wrk

_FOLDER = Path(__file__).resolve().parent
_REASONS = _FOLDER / "reasons.toml"
_TAGS, _QUICK_TAGS = 1000, 100
_LARGE_TAGS, _QUICK_LARGE_TAGS = 100_000, 1000
_CONNECTIONS = (1, 8)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _parse(arguments: list[str]) -> argparse.Namespace:
    subjects = list_subjects()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--subjects", type=_names, help=f"of {','.join(s.key for s in subjects)}")
    parser.add_argument("--rows", type=_names, help=f"of {','.join(row.key for row in ROWS)}")
    parser.add_argument("--connections", type=_names, default=[str(count) for count in _CONNECTIONS])
    parser.add_argument("--repetitions", type=int, default=None, help="default 3, quick 1")
    parser.add_argument("--seconds", type=int, default=None, help="of every row limited by time; default 3, quick 1")
    parser.add_argument("--quick", action="store_true", help="to see that everything works, not how fast")
    parser.add_argument("--client", choices=("auto", "python"), default="auto", help="auto: wrk where it fits")
    parser.add_argument("--scale", default=OURS, metavar="SUBJECT", help="subject of the cost at scale, or none")
    parser.add_argument(
        "--scale-tags", type=int, default=None, help=f"default {_LARGE_TAGS}, quick {_QUICK_LARGE_TAGS}"
    )
    parser.add_argument("--data", type=Path, help="folder for the servers' data; default a temporary one")
    parser.add_argument("--port", type=int, default=0, help="where servers listen; default any free one")
    parser.add_argument("--output", type=Path, help="folder for RESULTS.md and results.json")
    options = parser.parse_args(arguments)
    for given, known, what in (
        (options.subjects, [s.key for s in subjects], "subject"),
        (options.rows, [row.key for row in ROWS], "row"),
        ([options.scale], [*(s.key for s in subjects), "none"], "subject"),
    ):
        for name in given or ():
            if name not in known:
                parser.error(f"no {what} is called {name!r}; there are {', '.join(known)}")
    return options


def _chosen(options: argparse.Namespace) -> list[Subject]:
    if options.subjects is None:
        return [subject for subject in list_subjects() if not subject.optional]
    return [subject for subject in list_subjects() if subject.key in options.subjects]


def _plan(options: argparse.Namespace, subjects: list[Subject], data: Path) -> Plan:
    quick: bool = options.quick
    effort = Effort(
        seconds=options.seconds or (1 if quick else 3),
        quick=quick,
        wrk=find_wrk() if options.client == "auto" else None,
        folder=data,
    )
    return Plan(
        subjects=[subject for subject in subjects if subject.binary],
        rows=[row for row in ROWS if options.rows is None or row.key in options.rows],
        connections=[int(count) for count in options.connections],
        repetitions=options.repetitions or (1 if quick else 3),
        effort=effort,
        data=data,
        port=options.port,
        tags=_QUICK_TAGS if quick else _TAGS,
    )


def _scale(options: argparse.Namespace, plan: Plan) -> tuple[Scale | None, str | None]:
    """The cost at scale, or why there is none; neither when it was not asked for."""
    subject = next((s for s in plan.subjects if s.key == options.scale), None)
    if subject is None:
        return None, None if options.scale == "none" else f"{options.scale} did not take part"
    tags = options.scale_tags or (_QUICK_LARGE_TAGS if options.quick else _LARGE_TAGS)
    try:
        return run_scale(plan, subject, tags), None
    except (ServerFailed, NoAccess, LoadFailed, OSError) as failure:
        say(f"cost at scale FAILED: {failure}")
        return None, str(failure)


def _run(options: argparse.Namespace, arguments: list[str], data: Path) -> tuple[Run, Plan]:
    subjects = _chosen(options)
    for missing in (subject for subject in subjects if not subject.binary):
        say(f"MISSING: {missing.title} is not installed and will not be compared")
    plan = _plan(options, subjects, data)
    started_at, machine = datetime.now(UTC), describe_machine(data, plan.effort.wrk)
    facts = tuple(SubjectFact(key=s.key, title=s.title, version=s.version() if s.binary else None) for s in subjects)
    measurements = run_rows(plan)
    scale, scale_failure = _scale(options, plan)
    run = Run(
        started_at=started_at.isoformat(timespec="seconds"),
        command=shlex.join(["python", "-m", "benchmarks", *arguments]),
        machine=machine,
        repetitions=plan.repetitions,
        seconds=plan.effort.seconds,
        subjects=facts,
        measurements=measurements,
        scale=scale,
        scale_failure=scale_failure,
    )
    return run, plan


def _is_whole(options: argparse.Namespace, plan: Plan) -> bool:
    everyone = options.subjects is None or all(s.optional or s.key in options.subjects for s in list_subjects())
    everything = everyone and options.rows is None and options.scale == OURS and not options.quick
    return everything and tuple(plan.connections) == _CONNECTIONS and any(s.key == OURS for s in plan.subjects)


def main(arguments: list[str]) -> int:
    """1 when something could not be measured or was answered with errors, else 0: being behind is a result."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pin_to_cores()
    with tempfile.TemporaryDirectory(prefix="crs-bench-", dir=options.data) as folder:
        run, plan = _run(options, arguments, Path(folder))
    reasons = tomllib.loads(_REASONS.read_text()) if _REASONS.exists() else {}
    page = write_report(run, reasons, plan.tags)
    output: Path | None = options.output or (_FOLDER if _is_whole(options, plan) else None)
    if output is None:
        print(page)
    else:
        output.mkdir(parents=True, exist_ok=True)
        (output / "RESULTS.md").write_text(page)
        (output / "results.json").write_text(run.model_dump_json(indent=1) + "\n")
        say(f"written to {output}/RESULTS.md and results.json")
    failed = [m for m in run.measurements if m.failure or any(sample.errors for sample in m.samples)]
    return 1 if failed or run.scale_failure else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
