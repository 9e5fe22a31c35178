"""A cell: one operation in the scene of one seed, at every call of which everything goes wrong in turn."""

from __future__ import annotations

import logging
import random
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from .catalogue import OPERATIONS
from .kinds import AT_EVERY_CALL, KINDS, ONLY_AT, is_write
from .trials import Trials

# Of each further kind so many calls of a cell are chosen.
EXTRAS_A_KIND: Final = 3
_FURTHER: Final = tuple(kind for kind in KINDS if kind not in AT_EVERY_CALL)
# Enough to see what is wrong; the rest is mostly the same.
_FINDINGS_KEPT: Final = 20

Point = tuple[str, int]


@dataclass
class Cell:
    """What came of it. points: by kind; calls: of the operation, by port."""

    operation: str
    round: int
    calls: dict[str, int] = field(default_factory=dict)
    points: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def key(self) -> tuple[str, int]:
        return self.operation, self.round

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def points_of(calls: list[str], rng: random.Random) -> Iterator[Point]:
    """Each call failed before, failed after (ambiguous) and killed at; and some calls of every further kind.

    An answer that a read lost is a read that failed, so reads do not fail after.
    """
    for number, call in enumerate(calls, 1):
        yield from ((kind, number) for kind in AT_EVERY_CALL if kind != "after" or is_write(call))
    for kind in _FURTHER:
        chosen = [number for number, call in enumerate(calls, 1) if call in ONLY_AT.get(kind, {call})]
        yield from ((kind, number) for number in rng.sample(chosen, min(EXTRAS_A_KIND, len(chosen))))


def carried_out(operation: str, number: int, seed: int, folder: Path, most: int | None = None) -> Cell:
    """All points of the cell, or so many of them as the seed chooses. Nothing is logged: faults belong to it."""
    heard = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        return _carried_out(operation, number, seed, folder, most)
    finally:
        logging.disable(heard)


def _carried_out(operation: str, number: int, seed: int, folder: Path, most: int | None) -> Cell:
    begun, cell = time.monotonic(), Cell(operation, number)
    rng = random.Random(f"points {operation} {number} {seed}")
    try:
        trials = Trials(OPERATIONS[operation], f"{operation} {number} {seed}", folder)
        cell.calls = dict(Counter(call.partition(".")[0] for call in trials.calls))
        points = list(points_of(trials.calls, rng))
        if most is not None:
            points = rng.sample(points, min(most, len(points)))
        for kind, call in points:
            found = trials.run(kind, call)
            cell.points[kind] = cell.points.get(kind, 0) + 1
            if found and len(cell.findings) < _FINDINGS_KEPT:
                where = f"call {call} of {len(trials.calls)}, {trials.calls[call - 1]}, {kind}"
                cell.findings.append(f"{operation}, round {number}, {where}: {found[:6]}")
    except Exception:
        cell.findings.append(f"{operation}, round {number}: {traceback.format_exc()}")
    cell.seconds = time.monotonic() - begun
    return cell
