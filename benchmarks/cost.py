"""``python -m benchmarks.cost``: counts what operations ask of AWS, and writes docs/cost.md from that and from prices.
It brings the table of docs/scale.md up to date too (``benchmarks.heat``).

``--count`` counts anew (minutes, on moto in this process) and records it in ``cost.json``; without it the page is
made from what was recorded. Tests count again and hold record, page and code to each other.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import heat
from benchmarks.cost_model import Model, Operation, Part
from benchmarks.cost_page import page

_FOLDER: Final = Path(__file__).resolve().parent
RECORD: Final = _FOLDER / "cost.json"
PAGE: Final = _FOLDER.parent / "docs" / "cost.md"
# CPU is taken from the quicker of so many runs: other work on the machine only adds to it.
_RUNS: Final = 2


def count() -> None:
    """Into ``cost.json`` and ``heat.json``."""
    from benchmarks.cost_operations import MANY_TAGS, measure, measure_retention

    runs = [measure() for _ in range(_RUNS)]
    rows: dict[str, Any] = {}
    for name, parts in runs[0].told.items():
        rows[name] = as_rows(parts)
        for part, row in rows[name].items():
            row["cpu_ms"] = round(min(run.told[name][part].cpu_s for run in runs) * 1000, 1)
    many = measure_retention(MANY_TAGS)
    rows[f"retention_{MANY_TAGS}"] = {
        part: {**row, "cpu_ms": round(many[part].cpu_s * 1000, 1)} for part, row in as_rows(many).items()
    }
    record = {"counted_on": f"{datetime.now(UTC):%Y-%m-%d}", "operations": rows, "row_bytes": runs[0].row_bytes}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    heat.record(heat.traces(runs[0].told, runs[0].known))


def as_rows(parts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is the same in every run: units and calls of each part."""
    return {
        part: {
            "units": {name: amount for name, amount in sorted(counted.units.items()) if amount},
            "calls": dict(sorted(counted.calls.items())),
        }
        for part, counted in parts.items()
    }


def operations(record: Mapping[str, Any]) -> dict[str, Operation]:
    return {
        name: {part: Part(row["units"], row["calls"], row["cpu_ms"]) for part, row in parts.items()}
        for name, parts in record["operations"].items()
    }


def load(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / name).read_text())


def memory_mb() -> dict[str, int]:
    """Of each function, as it is deployed."""
    config = json.loads((_FOLDER.parent / ".chalice" / "config.json").read_text())
    size = config["lambda_memory_size"]
    return {name: row.get("lambda_memory_size", size) for name, row in config["lambda_functions"].items()}


def write_page(record: Mapping[str, Any]) -> str:
    prices, users = load("prices.toml"), load("users.toml")
    return page(Model(prices, users, memory_mb()), operations(record), record, prices, users)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--count", action="store_true", help="count anew, and record it")
    options = parser.parse_args()
    if options.count:
        count()
    PAGE.write_text(write_page(json.loads(RECORD.read_text())))
    heat.PAGE.write_text(heat.written(heat.PAGE.read_text(), heat.load()))
    sys.stdout.write(f"written: {PAGE}, {heat.PAGE}\n")


if __name__ == "__main__":
    main()
