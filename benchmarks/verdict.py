"""Pure judgement of the figures: is ours ahead on a row, is its CPU per request low enough, does size cost nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.results import Measurement, Spread, ratio, spread

CPU_FLOORS = {"registry3": 2.5, "docker-registry": 8.0}
"""How many times more manifests and HEADs ours must serve per CPU second than each of these."""

SCALE_TOLERANCE = 0.15
"""Rates within this share of each other count as the same; repetitions on a quiet machine differ by up to a tenth."""


@dataclass(frozen=True)
class Comparison:
    """Ours beside one other registry: how many times its rate, how many times less CPU for one operation."""

    subject: str
    rate_ratio: float | None
    cpu_ratio: float | None
    overlapping: bool


@dataclass(frozen=True)
class Verdict:
    """What one row with so many connections shows. ``kept`` is None when there is nothing to compare."""

    kept: bool | None
    text: str


def rates(measurement: Measurement) -> Spread:
    """Spread of the rate."""
    return spread([sample.rate for sample in measurement.samples])


def cpu(measurement: Measurement) -> Spread:
    """Spread of the server's CPU milliseconds for one operation."""
    return spread([sample.server_cpu_ms for sample in measurement.samples])


def compare(ours: Measurement, theirs: Measurement) -> Comparison:
    """Both must have samples."""
    our_rates, their_rates = rates(ours), rates(theirs)
    return Comparison(
        subject=theirs.subject,
        rate_ratio=ratio(our_rates.median, their_rates.median),
        cpu_ratio=ratio(cpu(theirs).median, cpu(ours).median),
        overlapping=our_rates.least <= their_rates.greatest and their_rates.least <= our_rates.greatest,
    )


def judge(ours: Measurement | None, others: Sequence[Measurement], cpu_floor: bool) -> Verdict:
    """The verdict on one row: the median rate against every other, and the CPU floors where the row has them."""
    if ours is None or not ours.samples:
        return Verdict(None, "ours not measured")
    if any(sample.errors for sample in ours.samples):
        return Verdict(False, "ours answered with errors")
    comparisons = [compare(ours, other) for other in others if other.samples]
    if not comparisons:
        return Verdict(None, "nothing to compare with")
    behind = [seen for seen in comparisons if seen.rate_ratio is not None and seen.rate_ratio < 1]
    missed = [seen for seen in comparisons if cpu_floor and _misses_floor(seen)]
    words = [f"behind {seen.subject} ({seen.rate_ratio:.2f}×)" for seen in behind]
    words += [f"CPU {seen.cpu_ratio or 0:.1f}× of {CPU_FLOORS[seen.subject]:g}× {seen.subject}" for seen in missed]
    failed = [f"{other.subject} failed" for other in others if not other.samples]
    if words:
        return Verdict(False, "; ".join(words + failed))
    close = [f"ranges overlap with {seen.subject}" for seen in comparisons if seen.overlapping]
    return Verdict(True, "; ".join(["ahead", *close, *failed]))


def _misses_floor(seen: Comparison) -> bool:
    floor = CPU_FLOORS.get(seen.subject)
    return floor is not None and seen.cpu_ratio is not None and seen.cpu_ratio < floor


def judge_scale(small: Measurement, large: Measurement) -> Verdict:
    """Whether the large repository is served at the rate of the small one, within the tolerance."""
    kept = ratio(rates(large).median, rates(small).median)
    if kept is None:
        return Verdict(None, "not measured")
    if kept >= 1 - SCALE_TOLERANCE:
        return Verdict(True, "the same")
    return Verdict(False, f"{(1 - kept) * 100:.0f} % slower")
