"""What a function on AWS says beside its answer: a line of metrics for each event, and subsegments with its request."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.edge.invocations import observing
from chalicelib.edge.metrics import count, gauge
from chalicelib.edge.tracing import trace_id, traced
from chalicelib.kernel.origin import following
from chalicelib.kernel.settings import Settings

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
EVENT = SimpleNamespace(context=SimpleNamespace(function_name="crs-prod-Webhooks-1A2B", aws_request_id="r"))
ON_AWS = Settings(stack="aws", queue_prefix="crs-prod-")


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the function `webhooks`."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "crs-prod-Webhooks-1A2B")
    monkeypatch.setenv("_HANDLER", "app.webhooks")


def metrics_of(written: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


def test_an_event_s_counts_are_one_line_with_two_dimensions(function: None, capsys: pytest.CaptureFixture[str]) -> None:
    def handler(_: object) -> str:
        for result in ("ok", "ok", "failed"):
            count("webhook_deliveries", result=result)
        count("tasks_ended", kind="sync", state="succeeded")
        count("tasks_ended", kind="scan", state="succeeded")
        gauge("sweep_lag_seconds", 12.5)
        return "answer"

    assert observing(ON_AWS)(EVENT, handler) == "answer"
    (line,) = metrics_of(capsys.readouterr().out)
    (described,) = line["_aws"]["CloudWatchMetrics"]
    assert described["Namespace"] == "crs"
    assert [set(names) for names in described["Dimensions"]] == [{"stack", "function"}]
    assert (line["stack"], line["function"]) == ("crs-prod", "webhooks")
    values = {metric["Name"]: line[metric["Name"]] for metric in described["Metrics"]}
    assert values.pop("call_seconds")[0] >= 0
    assert values == {
        "webhook_deliveries_ok": [2.0], "webhook_deliveries_failed": [1.0], "tasks_ended_succeeded": [2.0],
        "sweep_lag_seconds": [12.5], "calls_ok": [1.0],
    }  # fmt: skip


def test_the_next_event_says_only_what_is_its_own(function: None, capsys: pytest.CaptureFixture[str]) -> None:
    observe = observing(ON_AWS)
    observe(EVENT, lambda _: count("messages", kind="ContinueTask", result="handled"))
    observe(EVENT, lambda _: None)
    first, second = metrics_of(capsys.readouterr().out)
    assert first["messages_handled"] == [1.0]
    assert "messages_handled" not in second


def test_an_event_that_fails_is_counted_as_such_and_still_fails(
    function: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def handler(_: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        observing(ON_AWS)(EVENT, handler)
    (line,) = metrics_of(capsys.readouterr().out)
    assert line["calls_failed"] == [1.0]


def test_one_machine_writes_no_lines_of_metrics(function: None, capsys: pytest.CaptureFixture[str]) -> None:
    observing(Settings(stack="embedded"))(EVENT, lambda _: None)
    assert metrics_of(capsys.readouterr().out) == []


def test_a_process_that_is_no_function_writes_no_lines_of_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    observing(ON_AWS)(EVENT, lambda _: None)
    assert metrics_of(capsys.readouterr().out) == []


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What the X-Ray daemon would receive; the trace is sampled."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1")
        yield listening


def received(daemon: socket.socket) -> dict[str, Any]:
    header, _, document = daemon.recv(65536).partition(b"\n")
    assert json.loads(header) == {"format": "json", "version": 1}
    found: dict[str, Any] = json.loads(document)
    return found


def test_a_subsegment_joins_the_function_s_segment_to_the_request(daemon: socket.socket) -> None:
    with following("request", "message"), traced("ContinueTask"):
        pass
    segment = received(daemon)
    assert (segment["type"], segment["trace_id"]) == ("subsegment", ROOT)
    assert (segment["parent_id"], segment["name"]) == ("53995c3f42cd8ad8", "ContinueTask")
    assert segment["annotations"] == {"request_id": "request", "cause": "message"}
    assert segment["start_time"] <= segment["end_time"]
    assert not segment["fault"]


def test_a_subsegment_of_what_failed_is_a_fault(daemon: socket.socket) -> None:
    with pytest.raises(ValueError), traced("ContinueTask"):
        raise ValueError
    assert received(daemon)["fault"]


@pytest.mark.parametrize("header", ["", f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=0", f"Root={ROOT}", "nonsense"])
def test_what_is_not_sampled_is_not_sent(daemon: socket.socket, monkeypatch: pytest.MonkeyPatch, header: str) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    with traced("ContinueTask"):
        pass
    daemon.setblocking(False)
    with pytest.raises(BlockingIOError):
        daemon.recv(65536)


def test_a_daemon_that_is_not_there_fails_nothing(daemon: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "nowhere")
    with traced("ContinueTask"):
        pass


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (f"Root={ROOT}", ROOT),
        (f"Self=1-67891234-12456789abcdef012345678;Root={ROOT}", ROOT),
        ("Root=evil\n", ""),
        ("", ""),
    ],
)
def test_only_what_has_a_trace_s_shape_is_believed_to_be_one(header: str, found: str) -> None:
    assert trace_id(header) == found
