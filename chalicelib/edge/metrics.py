"""What is counted while the service works. Rooms say `count("webhook_deliveries", result="ok")`; two sinks know of it.

    functions on AWS   at the end of an event, one line of CloudWatch's embedded metric format: namespace `crs`,
                       dimensions `stack` and `function`, no others; a counter's `spread` label becomes part of its name
    the gateway        /metrics, with every label (`edge.exposition`)

A name that is not declared here, or a label that it does not have, is a mistake of ours and raises. Values of labels
are words of our own code, never what a client wrote, and never an id: their number does not grow.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chalicelib.kernel.settings import Settings

NAMESPACE: Final = "crs"
Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Declared:
    """labels: their names, in the order of a key. spread: the one that CloudWatch sees as part of the name."""

    help: str
    labels: tuple[str, ...] = ()
    spread: str = ""


COUNTERS: Final[Mapping[str, Declared]] = {
    "calls": Declared("Events that functions were called with", ("function", "result"), "result"),
    "layers_converted": Declared("Layers made lazily loadable, reused, or not, by the reason", ("result",), "result"),
    "layers_surveyed": Declared("Layers that were read, or could not be, by the reason", ("result",), "result"),
    "messages": Declared("Messages that were handled, or failed and come again", ("kind", "result"), "result"),
    "refusals": Declared("Requests that were refused, by the code of the refusal", ("reason",)),
    "tasks_ended": Declared("Background tasks that came to their end", ("kind", "state"), "state"),
    "webhook_deliveries": Declared("Tries to deliver an event to a webhook", ("result",), "result"),
}
# In seconds: how long something took, all together and how often.
TIMES: Final[Mapping[str, Declared]] = {
    "call": Declared("Time that functions took for their events", ("function",)),
}
# What was found the last time somebody looked.
GAUGES: Final[Mapping[str, Declared]] = {
    "sweep_lag_seconds": Declared("How late the work that is overdue longest is"),
    "untold_lag_seconds": Declared("How long the oldest event that nobody was told of has waited"),
}


@dataclass(slots=True)
class Took:
    times: int = 0
    seconds: float = 0.0


class Metrics:
    """Of one process. Any thread may count: it costs a lock that nobody holds for longer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Key, float] = {}
        self._took: dict[Key, Took] = {}
        self._gauges: dict[str, float] = {}
        # What an event of a function brought; None where nobody asks for it.
        self._event: _Event | None = None

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        key = (name, _values(COUNTERS[name], labels))
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + amount
            if self._event is not None:
                self._event.add(_spread(name, COUNTERS[name], labels), amount)

    def took(self, name: str, seconds: float, **labels: str) -> None:
        key = (name, _values(TIMES[name], labels))
        with self._lock:
            held = self._took.setdefault(key, Took())
            held.times += 1
            held.seconds += seconds
            if self._event is not None:
                self._event.measure(f"{name}_seconds", seconds)

    def gauge(self, name: str, value: float) -> None:
        _values(GAUGES[name], {})
        with self._lock:
            self._gauges[name] = value
            if self._event is not None:
                self._event.measure(name, value)

    def begin_event(self) -> None:
        """From here on it is remembered what one event of a function brings."""
        with self._lock:
            self._event = _Event({}, {})

    def end_event(self, stack: str, function: str) -> None:
        """Writes a line of the embedded metric format for what the event brought, if it brought anything."""
        with self._lock:
            event, self._event = self._event, None
        if event is not None and (event.counts or event.values):
            event.emit(stack, function)

    def snapshot(self) -> Snapshot:
        with self._lock:
            took = {key: Took(one.times, one.seconds) for key, one in self._took.items()}
            return Snapshot(dict(self._counts), took, dict(self._gauges))


@dataclass(frozen=True, slots=True)
class Snapshot:
    counts: Mapping[Key, float]
    took: Mapping[Key, Took]
    gauges: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Event:
    counts: dict[str, float]
    values: dict[str, list[float]]

    def add(self, name: str, amount: float) -> None:
        self.counts[name] = self.counts.get(name, 0) + amount

    def measure(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def emit(self, stack: str, function: str) -> None:
        # Only functions need it, and they only where CloudWatch listens.
        from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

        metrics = EphemeralMetrics(namespace=NAMESPACE)
        metrics.add_dimension("stack", stack)
        metrics.add_dimension("function", function)
        for name, amount in self.counts.items():
            metrics.add_metric(name, MetricUnit.Count, amount)
        for name, values in self.values.items():
            for value in values:
                metrics.add_metric(name, MetricUnit.Seconds, value)
        metrics.flush_metrics()


def _values(declared: Declared, labels: Mapping[str, str]) -> tuple[str, ...]:
    """Raises KeyError where a label is missing, TypeError where one is not declared."""
    if len(labels) != len(declared.labels):
        raise TypeError(f"labels are {declared.labels}, not {tuple(labels)}")
    return tuple(labels[label] for label in declared.labels)


def _spread(name: str, declared: Declared, labels: Mapping[str, str]) -> str:
    return f"{name}_{labels[declared.spread]}" if declared.spread else name


METRICS: Final = Metrics()
count: Final = METRICS.count
took: Final = METRICS.took
gauge: Final = METRICS.gauge


def emits(settings: Settings) -> bool:
    """Whether this process is a function whose lines CloudWatch reads."""
    return not settings.one_machine and "AWS_LAMBDA_FUNCTION_NAME" in os.environ
