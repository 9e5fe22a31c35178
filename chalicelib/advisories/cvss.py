"""Base scores of CVSS 3.1 from their vectors. Source: FIRST's specification, section 7."""

from __future__ import annotations

import math
from typing import Final

from .models import Severity

_WEIGHTS: Final[dict[str, dict[str, float]]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
# Of privileges required, by whether the scope changes.
_PRIVILEGES: Final = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}
_FROM: Final[tuple[tuple[float, Severity], ...]] = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))


def score(vector: str) -> float:
    """vector: `AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H`, with or without the version before it."""
    parts = dict(part.split(":", 1) for part in vector.split("/"))
    changed = parts["S"] == "C"
    av, ac, ui, c, i, a = (weights[parts[name]] for name, weights in _WEIGHTS.items())
    lost = 1 - (1 - c) * (1 - i) * (1 - a)
    impact = 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15 if changed else 6.42 * lost
    if impact <= 0:
        return 0.0
    whole = impact + 8.22 * av * ac * _PRIVILEGES[parts["S"]][parts["PR"]] * ui
    return _rounded_up(min(1.08 * whole if changed else whole, 10.0))


def severity(rated: float) -> Severity:
    return next((name for least, name in _FROM if rated >= least), "unknown")


def _rounded_up(value: float) -> float:
    """To one digit, in whole numbers: what floating point adds does not count."""
    number = round(value * 100_000)
    return number / 100_000 if number % 10_000 == 0 else (math.floor(number / 10_000) + 1) / 10
