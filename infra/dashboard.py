"""One page of plots: what users notice first, then what works behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from .alarms import in_use

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
    return {
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {
                "DashboardName": {"Ref": "AWS::StackName"},
                "DashboardBody": {"Fn::If": ["WithGateway", _body([*_gateway(), *plots]), _body(plots)]},
            },
        }
    }


def _body(plots: list[dict[str, Any]]) -> Resources:
    places = [{"x": number % 2 * _WIDTH, "y": number // 2 * _HEIGHT} for number in range(len(plots))]
    body = json.dumps({"widgets": [plot | place for plot, place in zip(plots, places, strict=True)]})
    return {"Fn::Sub": [body, {f"{table}InUse": in_use(table) for table in _TABLES}]}


def _gateway() -> list[dict[str, Any]]:
    """Where the stack has one: what docker and its like notice."""
    balancers = ("PublicLoadBalancer", "InternalLoadBalancer")
    answers = ("RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count")
    use = [[*_service(metric), {"stat": "Average"}] for metric in ("CPUUtilization", "MemoryUtilization")]
    return [
        _plot("Gateway: requests and failures", [_balancer(one, metric) for one in balancers for metric in answers]),
        _plot("Gateway: time to answer, p99", [_balancer(one, "TargetResponseTime") for one in balancers], "p99"),
        _plot("Gateway: bytes", [_balancer(one, "ProcessedBytes") for one in balancers]),
        _plot("Gateway: processor and memory", use),
    ]


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
    return _metric("AWS/DynamoDB", metric, ("TableName", f"${{{table}InUse}}"))


def _balancer(balancer: str, metric: str) -> list[str]:
    return _metric("AWS/ApplicationELB", metric, ("LoadBalancer", f"${{{balancer}.LoadBalancerFullName}}"))


def _service(metric: str) -> list[str]:
    cluster, service = ("ClusterName", "${GatewayCluster}"), ("ServiceName", "${GatewayService.Name}")
    return ["AWS/ECS", metric, *cluster, *service]


def _metric(namespace: str, name: str, dimension: tuple[str, str]) -> list[str]:
    return [namespace, name, *dimension]


def _plot(title: str, metrics: Sequence[Sequence[Any]], statistic: str = "Sum") -> dict[str, Any]:
    properties = {
        "title": title,
        "region": "${AWS::Region}",
        "view": "timeSeries",
        "stat": statistic,
        "period": 60,
        "metrics": metrics,
    }
    return {"type": "metric", "width": _WIDTH, "height": _HEIGHT, "properties": properties}
