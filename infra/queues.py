"""The queues that functions listen to, each with its dead letters and their alarm, from `app.py`'s own declarations.

queue ──► function        visibility: six times the function's timeout, as AWS asks
  └─ five attempts ──► <queue>-dead, kept 14 days ──► alarm at the first message
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from chalice.app import Chalice, SQSEventConfig

ATTEMPTS: Final = 5
_KEPT_S: Final = int(timedelta(days=14).total_seconds())
_LATE_S: Final = int(timedelta(minutes=15).total_seconds())
# How many calls of a function at once work on its queue. What waits for servers of users has few, so that a slow
# one cannot take the account's concurrency; AWS takes no fewer than two. A conversion takes minutes of a large layer,
# and a transfer as many of a large blob, while the steps of other images wait in the same queue.
_CONCURRENCY: Final = {"webhooks": 4, "conversions": 20, "transfers": 20}
_DEFAULT_CONCURRENCY: Final = 10

Resources = dict[str, Any]


def listeners(app: Chalice) -> dict[str, SQSEventConfig]:
    """Function name → what it listens to."""
    return {source.name: source for source in app.event_sources if isinstance(source, SQSEventConfig)}


def title(function: str) -> str:
    """What Chalice calls a function in the template: `seal_audit` is SealAudit."""
    return function.title().replace("_", "")


def resources(app: Chalice, timeouts: dict[str, int]) -> Resources:
    """timeouts   of functions, in seconds"""
    made: Resources = {}
    for name in listeners(app):
        called = title(name)
        made |= _queue(name, called, 6 * timeouts[name]) | _alarms(name, called)
        made[called] = {"Properties": {"Events": {f"{called}SqsEventSource": {"Properties": _mapping(name, called)}}}}
    return made


def _queue(name: str, called: str, visibility_s: int) -> Resources:
    kept = {"MessageRetentionPeriod": _KEPT_S, "SqsManagedSseEnabled": True}
    outlives = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
    return {
        f"{called}DeadQueue": {
            "Type": "AWS::SQS::Queue",
            **outlives,
            "Properties": {"QueueName": {"Fn::Sub": f"${{AWS::StackName}}-{name}-dead"}, **kept},
        },
        f"{called}Queue": {
            "Type": "AWS::SQS::Queue",
            **outlives,
            "Properties": {
                "QueueName": {"Fn::Sub": f"${{AWS::StackName}}-{name}"},
                "VisibilityTimeout": visibility_s,
                "RedrivePolicy": {
                    "deadLetterTargetArn": {"Fn::GetAtt": [f"{called}DeadQueue", "Arn"]},
                    "maxReceiveCount": ATTEMPTS,
                },
                **kept,
            },
        },
    }


def _mapping(name: str, called: str) -> Resources:
    return {
        # Over Chalice's own Fn::Sub, which names the queue of the machine that packages.
        "Queue": {"Fn::Sub": f"${{{called}Queue.Arn}}"},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": _CONCURRENCY.get(name, _DEFAULT_CONCURRENCY)},
    }


def _alarms(name: str, called: str) -> Resources:
    return {
        f"{called}DeadAlarm": _alarm(
            f"Messages of {name} failed {ATTEMPTS} times. See docs/operations.md, dead letters",
            f"{called}DeadQueue",
            "ApproximateNumberOfMessagesVisible",
            1,
            1,
        ),
        f"{called}LateAlarm": _alarm(
            f"Messages of {name} wait for more than {_LATE_S // 60} minutes",
            f"{called}Queue",
            "ApproximateAgeOfOldestMessage",
            _LATE_S,
            3,
        ),
    }


def _alarm(description: str, queue: str, metric: str, threshold: int, periods: int) -> Resources:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": description,
            "Namespace": "AWS/SQS",
            "MetricName": metric,
            "Dimensions": [{"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}],
            "Statistic": "Maximum",
            "Period": 300,
            "EvaluationPeriods": periods,
            "Threshold": threshold,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [{"Ref": "Alarms"}],
            "OKActions": [{"Ref": "Alarms"}],
        },
    }
