"""/metrics: what this process counted, and the others of the same service, in Prometheus' text format.

    page      what one process knows, as plain JSON (`page_of`)
    /metrics  all pages added up ─► prometheus_client

Who may read it: whoever comes by the internal listener; where there is none, this machine itself, and not through a
proxy. To everybody else the path does not exist.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from chalicelib.kernel.errors import AddressNotAllowed, Refused
from chalicelib.kernel.messages import queues
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack

from .address import parse_address
from .asgi import Scope
from .metrics import COUNTERS, GAUGES, METRICS, TIMES
from .pooling import Page, Pool, Publishing, is_fresh
from .traffic import BUCKETS_S, Traffic

# How headers that proxies add begin: whoever comes through one is not this machine.
_FORWARDED: Final = (b"x-forwarded-", b"x-real-ip", b"forwarded", b"via")
_REQUEST: Final = ("route", "method", "status")
_STATM: Final = Path("/proc/self/statm")
_DESCRIPTORS: Final = "/proc/self/fd"
_TOO_MANY: Final = 429


def may_read(scope: Scope, settings: Settings) -> bool:
    """Whether /metrics is there for this request."""
    server, client = scope.get("server"), scope.get("client")
    if settings.internal_port is not None:
        return server is not None and server[1] == settings.internal_port
    try:
        nearby = parse_address(client[0] if client else "").is_loopback
    except AddressNotAllowed:
        return False
    return nearby and not any(name.startswith(_FORWARDED) for name, _ in scope["headers"])


def page_of(role: str, traffic: Traffic | None = None) -> Page:
    """What this process knows. role: `gateway` or `consumers`."""
    counted = METRICS.snapshot()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    page: Page = {
        "role": role,
        "counts": [[name, list(values), amount] for (name, values), amount in counted.counts.items()],
        "took": [[name, list(values), one.times, one.seconds] for (name, values), one in counted.took.items()],
        "gauges": dict(counted.gauges),
        "process": {
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "resident_bytes": int(_STATM.read_text().split()[1]) * resource.getpagesize(),
            "open_files": len(os.listdir(_DESCRIPTORS)),
        },
    }
    if traffic is not None:
        page["requests"] = [
            [list(key), one.times, one.seconds, one.received_bytes, one.sent_bytes, list(one.buckets)]
            for key, one in traffic.cells.items()
        ]
        page["now"] = {"requests_under_way": traffic.under_way, "uploads_under_way": traffic.uploads}
    return page


class Exposition:
    """pool: where the other processes of the service write their pages, None where this one is alone."""

    def __init__(self, stack: Stack, role: str, traffic: Traffic | None, pool: Pool | None) -> None:
        self._stack = stack
        self._role = role
        self._traffic = traffic
        self._pool = pool
        self._inherited: Page | None = None
        self._publishing = Publishing(pool, self._page) if pool is not None else None

    def start(self) -> None:
        if self._pool is not None and self._publishing is not None:
            self._inherited = self._pool.join()
            self._publishing.start()

    def stop(self) -> None:
        if self._publishing is not None:
            self._publishing.stop()

    def text(self) -> tuple[bytes, bytes]:
        """Media type and body. Blocks: where the queues are in process, their depths are read."""
        # Functions have no use for it, nor has a gateway that nobody asks.
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.registry import Collector

        families = list(self._families())

        class Found(Collector):
            def collect(self) -> Iterable[Any]:
                return families

        registry = CollectorRegistry(auto_describe=False)
        registry.register(Found())
        return CONTENT_TYPE_LATEST.encode(), generate_latest(registry)

    def _page(self) -> Page:
        own = page_of(self._role, self._traffic)
        if self._inherited is not None:
            summed = _Sums([own, self._inherited])
            own |= {"counts": summed.counts(), "took": summed.took()}
            own["requests"] = summed.requests()
        return own

    def _families(self) -> Iterator[Any]:
        pages = [self._page(), *(self._pool.others() if self._pool is not None else ())]
        living = [pages[0], *(page for page in pages[1:] if is_fresh(page))]
        sums = _Sums(pages)
        yield from _of_requests(sums)
        yield from _of_counts(sums)
        yield from _of_living(living)
        if self._stack.settings.one_machine:
            yield from self._of_queues()

    def _of_queues(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        depth = GaugeMetricFamily("registry_queue_messages", "Messages that wait or are handled", labels=["queue"])
        for queue in sorted(queues()):
            for name in (queue, f"{queue}-dead"):
                try:
                    depth.add_metric([name], self._stack.queues.depth(name))
                except Refused:
                    continue  # The others are worth knowing all the same.
        yield depth


class _Sums:
    """Pages added up."""

    def __init__(self, pages: Iterable[Page]) -> None:
        self._counts: dict[tuple[str, tuple[str, ...]], float] = {}
        self._took: dict[tuple[str, tuple[str, ...]], tuple[int, float]] = {}
        self._requests: dict[tuple[Any, ...], list[Any]] = {}
        for page in pages:
            self._add(page)

    def _add(self, page: Page) -> None:
        for name, values, amount in page["counts"]:
            key = (name, tuple(values))
            self._counts[key] = self._counts.get(key, 0) + amount
        for name, values, times, seconds in page["took"]:
            key = (name, tuple(values))
            before = self._took.get(key, (0, 0.0))
            self._took[key] = (before[0] + times, before[1] + seconds)
        for labels, *numbers in page.get("requests", ()):
            _add(self._requests, tuple(labels), numbers)

    def counts(self) -> list[Any]:
        return [[name, list(values), amount] for (name, values), amount in self._counts.items()]

    def took(self) -> list[Any]:
        return [[name, list(values), *took] for (name, values), took in self._took.items()]

    def requests(self) -> list[Any]:
        return [[list(labels), *numbers] for labels, numbers in self._requests.items()]

    def by(self, labels: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> list[tuple[tuple[Any, ...], list[Any]]]:
        """Requests, added up by what `labels` makes of shape, method and status."""
        found: dict[tuple[Any, ...], list[Any]] = {}
        for key, numbers in self._requests.items():
            _add(found, labels(key), numbers)
        return sorted(found.items(), key=lambda one: tuple(map(str, one[0])))


def _add(sums: dict[tuple[Any, ...], list[Any]], key: tuple[Any, ...], numbers: list[Any]) -> None:
    """numbers: times, seconds, bytes that came, bytes that went, buckets."""
    *single, buckets = numbers
    held = sums.setdefault(key, [0, 0.0, 0, 0, [0] * len(buckets)])
    held[:4] = [before + more for before, more in zip(held[:4], single, strict=True)]
    held[4] = [before + more for before, more in zip(held[4], buckets, strict=True)]


def _of_requests(sums: _Sums) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    times = CounterMetricFamily("registry_requests", "Requests that were answered", labels=_REQUEST)
    received = CounterMetricFamily("registry_received_bytes", "Bytes of bodies that came", labels=_REQUEST[:2])
    sent = CounterMetricFamily("registry_sent_bytes", "Bytes of bodies that were sent", labels=_REQUEST[:2])
    took = HistogramMetricFamily("registry_request_seconds", "From a request to the end of its answer", labels=_REQUEST)
    limited = CounterMetricFamily("registry_rate_limited_requests", "Answered with 429", labels=["route"])
    for (shape, method, status), (count, seconds, _, _, buckets) in sums.by(
        lambda one: (one[0], one[1], _class(one[2]))
    ):
        times.add_metric([shape, method, status], count)
        took.add_metric([shape, method, status], _cumulative(buckets), seconds)
    for labels, (_, _, came, went, _) in sums.by(lambda one: (one[0], one[1])):
        received.add_metric(labels, came)
        sent.add_metric(labels, went)
    for (shape, status), (count, *_) in sums.by(lambda one: (one[0], one[2])):
        if status == _TOO_MANY:
            limited.add_metric([shape], count)
    yield from (times, took, received, sent, limited)


def _class(status: int) -> str:
    """A client that went before its answer began has none."""
    return f"{status // 100}xx" if status else "none"


def _of_counts(sums: _Sums) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, SummaryMetricFamily

    counters = {
        name: CounterMetricFamily(f"registry_{name}", declared.help, labels=declared.labels)
        for name, declared in COUNTERS.items()
    }
    for name, values, amount in sorted(sums.counts()):
        counters[name].add_metric(values, amount)
    summaries = {
        name: SummaryMetricFamily(f"registry_{name}_seconds", declared.help, labels=declared.labels)
        for name, declared in TIMES.items()
    }
    for name, values, times, seconds in sorted(sums.took()):
        summaries[name].add_metric(values, times, seconds)
    yield from counters.values()
    yield from summaries.values()


def _of_living(pages: Iterable[Page]) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    roles: dict[str, dict[str, float]] = {}
    now: dict[str, float] = {"requests_under_way": 0, "uploads_under_way": 0}
    found: dict[str, float] = {}
    for page in pages:
        held = roles.setdefault(page["role"], {"processes": 0})
        held["processes"] += 1
        for name, value in page["process"].items():
            held[name] = held.get(name, 0) + value
        for name, value in page.get("now", {}).items():
            now[name] += value
        found |= page["gauges"]
    for name, value in now.items():
        yield GaugeMetricFamily(f"registry_{name}", f"{name.replace('_', ' ').capitalize()} at this moment", value)
    for name, value in found.items():
        yield GaugeMetricFamily(f"registry_{name}", GAUGES[name].help, value)
    families: dict[str, Any] = {
        "processes": GaugeMetricFamily("registry_processes", "Processes that live", labels=["role"]),
        "cpu_seconds": CounterMetricFamily("registry_process_cpu_seconds", "Of living processes", labels=["role"]),
        "resident_bytes": GaugeMetricFamily("registry_process_resident_bytes", "Memory they hold", labels=["role"]),
        "open_files": GaugeMetricFamily("registry_process_open_files", "Files and sockets", labels=["role"]),
    }
    for role, values in sorted(roles.items()):
        for name, family in families.items():
            family.add_metric([role], values[name])
    yield from families.values()


def _cumulative(buckets: Iterable[int]) -> list[tuple[str, float]]:
    bounds = (*(str(bound) for bound in BUCKETS_S), "+Inf")
    total, found = 0, []
    for bound, count in zip(bounds, buckets, strict=True):
        total += count
        found.append((bound, float(total)))
    return found


__all__ = ["Exposition", "may_read", "page_of"]
