"""What a run found, as it is written to ``results.json``; and the arithmetic on it: medians, ratios, percentiles."""

import statistics
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sample(_Record):
    """One repetition of one row on one registry. The rate is operations, or MB, per second.

    foreign_share  of the cores' time went to neither server nor client: other programs, the kernel's own threads
    """

    rate: float
    p50_ms: float
    p99_ms: float
    server_cpu_ms: float
    client_cpu_ms: float
    peak_memory_bytes: int
    operations: int
    foreign_share: float
    errors: tuple[str, ...] = ()


class Measurement(_Record):
    """A row with so many connections on one registry: its repetitions, or why there are none."""

    row: str
    connections: int
    subject: str
    client: str
    samples: tuple[Sample, ...] = ()
    failure: str | None = None


class Scale(_Record):
    """The cost of the same requests in a small and in a large repository of one registry.

    small, large  one measurement for each row and number of connections, in the same order
    fill_s        how long the large repository took to fill
    restart_s     from start to ready with the large repository stored
    """

    subject: str
    small_tags: int
    large_tags: int
    small: tuple[Measurement, ...]
    large: tuple[Measurement, ...]
    fill_s: float
    restart_s: float


class SubjectFact(_Record):
    """Who took part; ``version`` is None for one that is not installed."""

    key: str
    title: str
    version: str | None


class Run(_Record):
    """One whole run."""

    schema_version: int = 1
    started_at: str
    command: str
    machine: tuple[tuple[str, str], ...]
    repetitions: int
    seconds: float
    subjects: tuple[SubjectFact, ...]
    measurements: tuple[Measurement, ...]
    scale: Scale | None = None
    scale_failure: str | None = None


class Spread(_Record):
    """Median, least and greatest of the repetitions."""

    median: float
    least: float
    greatest: float


def spread(values: Sequence[float]) -> Spread:
    """Raises statistics.StatisticsError for no values: a row without figures has no median."""
    return Spread(median=statistics.median(values), least=min(values), greatest=max(values))


def percentile_ms(latencies_ns: Sequence[int], share: float) -> float:
    """The nearest-rank percentile in milliseconds; share between 0 and 1."""
    ordered = sorted(latencies_ns)
    rank = max(1, -(-int(share * 1000 * len(ordered)) // 1000))
    return ordered[rank - 1] / 1e6


def ratio(ours: float, theirs: float) -> float | None:
    """Ours in theirs; None where theirs was too small to measure."""
    return ours / theirs if theirs > 0 else None
