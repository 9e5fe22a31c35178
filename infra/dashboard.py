"""One page of plots: what users notice first, then what works behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

Resources = dict[str, Any]

_WIDTH: Final = 12
_HEIGHT: Final = 6
_API: Final = ("ApiName", "${AWS::StackName}")


def resources(functions: Sequence[str], queues: Sequence[str]) -> Resources:
    """Logical ids of the functions, and of the queues that they listen to."""
    plots = [
        _plot("API: requests and failures", [_metric("AWS/ApiGateway", name, _API) for name in ("Count", "5XXError")]),
        _plot("API: time to answer, p99", [_metric("AWS/ApiGateway", "Latency", _API)], "p99"),
        _plot("Functions: calls", [_function(one, "Invocations") for one in functions]),
        _plot("Functions: failures and throttles", _failures(functions)),
        _plot("Functions: time a call takes, p99", [_function(one, "Duration") for one in functions], "p99"),
        _plot("Queues: waiting messages", [_queue(one, "ApproximateNumberOfMessagesVisible") for one in queues]),
        _plot("Queues: age of the oldest", [_queue(one, "ApproximateAgeOfOldestMessage") for one in queues], "Maximum"),
        _plot("Dead letters", _dead_letters(queues), "Maximum"),
        _plot("Tables: units read and written", [_table(one, kind) for one in _TABLES for kind in _UNITS]),
        _plot("Tables: throttled", [_table(one, kind) for one in _TABLES for kind in _THROTTLES]),
    ]
    places = [{"x": number % 2 * _WIDTH, "y": number // 2 * _HEIGHT} for number in range(len(plots))]
    body = {"widgets": [plot | place for plot, place in zip(plots, places, strict=True)]}
    return {
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {
                "DashboardName": {"Ref": "AWS::StackName"},
                "DashboardBody": {"Fn::Sub": json.dumps(body)},
            },
        }
    }


_TABLES: Final = ("Table", "AuditTable")
_UNITS: Final = ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits")
_THROTTLES: Final = ("ReadThrottleEvents", "WriteThrottleEvents")


def _failures(functions: Sequence[str]) -> list[list[str]]:
    return [_function(one, metric) for one in functions for metric in ("Errors", "Throttles")]


def _dead_letters(queues: Sequence[str]) -> list[list[str]]:
    dead = [one.removesuffix("Queue") + "DeadQueue" for one in queues]
    return [_queue(one, "ApproximateNumberOfMessagesVisible") for one in dead]


def _function(function: str, metric: str) -> list[str]:
    return _metric("AWS/Lambda", metric, ("FunctionName", f"${{{function}}}"))


def _queue(queue: str, metric: str) -> list[str]:
    return _metric("AWS/SQS", metric, ("QueueName", f"${{{queue}.QueueName}}"))


def _table(table: str, metric: str) -> list[str]:
    return _metric("AWS/DynamoDB", metric, ("TableName", f"${{{table}}}"))


def _metric(namespace: str, name: str, dimension: tuple[str, str]) -> list[str]:
    return [namespace, name, *dimension]


def _plot(title: str, metrics: list[list[str]], statistic: str = "Sum") -> dict[str, Any]:
    properties = {
        "title": title,
        "region": "${AWS::Region}",
        "view": "timeSeries",
        "stat": statistic,
        "period": 60,
        "metrics": metrics,
    }
    return {"type": "metric", "width": _WIDTH, "height": _HEIGHT, "properties": properties}
