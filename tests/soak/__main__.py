"""`python -m tests.soak`: a soak of thirty minutes; see `campaign.py`. Exit code 1 and a list if anything is wrong."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from tests.serving import free_port

from .campaign import RATE, Soak
from .report import page


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=RATE, help="requests a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=0, help="where the service listens; default any free one")
    parser.add_argument("--folder", type=Path, default=Path("build/soak"), help="emptied first, left for a look")
    parser.add_argument("--report", type=Path, help="where the page goes, besides standard output")
    chosen = parser.parse_args(arguments)
    shutil.rmtree(chosen.folder, ignore_errors=True)
    chosen.folder.mkdir(parents=True)
    soak = Soak(chosen.folder.resolve(), chosen.port or free_port(), chosen.seed)
    outcome = soak.run(chosen.minutes, chosen.rate)
    told = page(outcome, " ".join(["python -m tests.soak", *arguments]), chosen.folder)
    print(told)
    if chosen.report:
        chosen.report.write_text(told)
    for fault in outcome.faults:
        print(fault, file=sys.stderr)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
