"""/metrics: what it says, who may read it, and that the processes of one service answer for one another."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import gateway
from chalicelib.edge.metrics import COUNTERS, GAUGES, METRICS, Metrics
from chalicelib.edge.pooling import Pool
from chalicelib.edge.traffic import shape_of
from chalicelib.ports.stack import Stack
from tests.registry.wire import Wire
from tests.stacks import embedded_stack


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    opened = Wire(tmp_path)
    yield opened
    opened.close()


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """(name, values of its labels in the order of their names) → value"""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def page(wire: Wire) -> dict[tuple[str, tuple[str, ...]], float]:
    answer = wire.ask("GET", "/metrics", login=None)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return samples(answer.text)


def test_requests_are_counted_by_what_their_path_names_their_method_and_status(wire: Wire) -> None:
    for _ in range(3):
        wire.ask("GET", "/v2/library/app/manifests/none")
    wire.ask("BREW", "/v2/library/app/tags/list")
    wire.ask("GET", "/nothing/here")
    found = page(wire)
    assert found["registry_requests_total", ("GET", "manifest", "4xx")] == 3
    assert found["registry_requests_total", ("other", "tags", "4xx")] == 1
    assert found["registry_requests_total", ("GET", "other", "4xx")] == 1
    assert found["registry_request_seconds_count", ("GET", "manifest", "4xx")] == 3
    assert found["registry_request_seconds_bucket", ("+Inf", "GET", "manifest", "4xx")] == 3
    assert found["registry_requests_under_way", ()] == 1  # this one


def test_bytes_are_counted_both_ways(wire: Wire) -> None:
    layer = b"layer" * 1000
    body = wire.push_image("library/app", "v1", layer)
    wire.ask("GET", "/v2/library/app/manifests/v1")
    found = page(wire)
    assert found["registry_received_bytes_total", ("PUT", "manifest")] == len(body)
    assert found["registry_sent_bytes_total", ("GET", "manifest")] == len(body)
    assert found["registry_received_bytes_total", ("POST", "uploads")] == len(layer) + len(b"{}")


def test_refusals_are_counted_by_their_reason(wire: Wire) -> None:
    wire.push_image("library/app", "v1")
    before = METRICS.snapshot().counts.get(("refusals", ("NOT_FOUND",)), 0)
    wire.ask("GET", "/v2/library/app/manifests/none")
    assert page(wire)["registry_refusals_total", ("NOT_FOUND",)] == before + 1


def test_one_machine_shows_the_depths_of_its_queues(wire: Wire) -> None:
    wire.stack.queues.send("tasks", ["{}", "{}"])
    found = page(wire)
    assert found["registry_queue_messages", ("tasks",)] == 2
    assert found["registry_queue_messages", ("tasks-dead",)] == 0


def ask(stack: Stack, *, peer: str = "127.0.0.1", port: int = 5000, headers: dict[str, str] | None = None) -> Any:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(gateway.build(stack), client=(peer, 50000))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://registry.test:{port}") as client:
            answer, other = await client.get("/metrics", headers=headers), await client.get("/metric5", headers=headers)
        if answer.status_code == 404:
            # The same as any unknown path, but for the request's id.
            same = ("content-type", "content-length")
            assert answer.content == other.content
            assert [answer.headers[name] for name in same] == [other.headers[name] for name in same]
            assert answer.headers.keys() == other.headers.keys()
        return answer

    return asyncio.run(once()).status_code


def test_without_an_internal_listener_only_this_machine_may_read_it(tmp_path: Path) -> None:
    with embedded_stack(tmp_path) as stack:
        assert ask(stack) == 200
        assert ask(stack, peer="::1") == 200
        assert ask(stack, peer="10.0.0.9") == 404
        assert ask(stack, peer="unparsable") == 404


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"])
def test_whoever_comes_through_a_proxy_on_this_machine_may_not(tmp_path: Path, header: str) -> None:
    with embedded_stack(tmp_path) as stack:
        assert ask(stack, headers={header: "203.0.113.5"}) == 404


def test_with_an_internal_listener_it_is_there_and_nowhere_else(tmp_path: Path) -> None:
    with embedded_stack(tmp_path, internal_port=5001) as stack:
        assert ask(stack, peer="10.0.0.9", port=5001) == 200
        assert ask(stack, port=5000) == 404


def test_long_paths_that_nobody_knows_are_not_kept() -> None:
    """Whoever may log in nowhere cannot fill the memory by asking."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        shapes = {shape_of(f"/v2/{'x' * 60_000}/{number}/manifests/v1") for number in range(100)}
        assert tracemalloc.get_traced_memory()[0] - before < 1_000_000
    finally:
        tracemalloc.stop()
    assert shapes == {"manifest"}


CHILD = """
import sys
import tracemalloc
from chalicelib.edge.pooling import Pool
from chalicelib.edge.traffic import shape_of
pool = Pool(int(sys.argv[1]))
before = pool.join()
counted = (before or {"counts": [["tasks_ended", ["sync", "failed"], 0]]})["counts"][0][2] + 2
process = {"cpu_seconds": 1.0, "resident_bytes": 1000, "open_files": 3}
pool.write({"role": "consumers", "counts": [["tasks_ended", ["sync", "failed"], counted]], "took": [],
            "gauges": {"sweep_lag_seconds": 7.5}, "process": process})
"""


def test_other_processes_are_in_the_sum_and_what_one_counted_outlives_it(tmp_path: Path) -> None:
    pool = Pool.make()
    with embedded_stack(tmp_path) as stack:
        application = gateway.Gateway(stack, None, pool, owns=False)
        application._exposition.start()
        try:
            for _ in range(2):  # the second goes on in the place of the first
                child = [sys.executable, "-c", CHILD, str(pool.descriptor)]
                subprocess.run(child, check=True, pass_fds=(pool.descriptor,), timeout=30)
            _, text = application._exposition.text()
        finally:
            application._exposition.stop()
            os.close(pool.descriptor)
    found = samples(text.decode())
    before = METRICS.snapshot().counts.get(("tasks_ended", ("sync", "failed")), 0)
    assert found["registry_tasks_ended_total", ("sync", "failed")] == before + 4
    assert found["registry_sweep_lag_seconds", ()] == 7.5
    assert found["registry_processes", ("consumers",)] == 1


def test_the_guide_names_every_metric(wire: Wire) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "observability.md").read_text()
    parts = ("_bucket", "_count", "_sum", "_created")
    shown = {name for name, _ in page(wire) if not name.endswith(parts)}
    shown |= {f"registry_{name}_total" for name in COUNTERS} | {f"registry_{name}" for name in GAUGES}
    assert {name for name in shown if f"`{name}`" not in guide} == set()
    spread = {f"{name}_" if one.spread else f"`{name}`" for name, one in COUNTERS.items()} | set(GAUGES)
    assert {name for name in spread if name not in guide} == set()


def test_a_name_or_a_label_that_is_not_declared_is_a_mistake() -> None:
    metrics = Metrics()
    with pytest.raises(KeyError):
        metrics.count("nothing")
    with pytest.raises(TypeError):
        metrics.count("refusals")
    with pytest.raises(KeyError):
        metrics.count("refusals", instance="i")
