"""Whom alarms reach, and the alarms of functions, tables and the API. Those of queues stand with them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, Final

Resources = dict[str, Any]

_LATE_S: Final = 900
_TOLD: Final = {"AlarmActions": [{"Ref": "Alarms"}], "OKActions": [{"Ref": "Alarms"}]}


def resources(functions: Sequence[str], clocked: Sequence[str]) -> Resources:
    """functions   logical ids; clocked   those that a schedule wakes every few minutes"""
    made = _topic()
    for function in functions:
        dimensions = {"FunctionName": {"Ref": function}}
        made[f"{function}ErrorAlarm"] = _alarm(
            f"{function} fails again and again; its log says why", "AWS/Lambda", "Errors", dimensions, (1, 3)
        )
        made[f"{function}ThrottleAlarm"] = _alarm(
            f"{function} is throttled: the account's concurrency is used up",
            "AWS/Lambda",
            "Throttles",
            dimensions,
            (1, 3),
        )
    for function in clocked:
        made[f"{function}SilentAlarm"] = _alarm(
            f"{function} was not woken for fifteen minutes",
            "AWS/Lambda",
            "Invocations",
            {"FunctionName": {"Ref": function}},
            (1, 3),
            below=True,
        )
    made["ApiAlarm"] = _alarm(
        "More than one in a hundred requests of the API fails", "AWS/ApiGateway", "5XXError", _API, (0.01, 3), "Average"
    )
    late = "Work that is due was not done for a quarter of an hour: the sweep or its queue is stuck"
    sweep = {"stack": {"Ref": "AWS::StackName"}, "function": "sweep"}
    made["SweepLateAlarm"] = _alarm(late, "crs", "sweep_lag_seconds", sweep, (_LATE_S, 3), "Maximum")
    for table, kind in product(("Table", "AuditTable"), ("Read", "Write")):
        made[f"{table}{kind}ThrottleAlarm"] = _alarm(
            f"{table} throttles: one partition is hot, or its quota is used up",
            "AWS/DynamoDB",
            f"{kind}ThrottleEvents",
            {"TableName": in_use(table)},
            (100, 3),
        )
    return made


_API: Final = {"ApiName": {"Ref": "AWS::StackName"}}


def in_use(table: str) -> Resources:
    """The table's name: the stack's own, or that of the restored one that took its place."""
    return {"Fn::If": [f"Own{table}", {"Ref": table}, {"Ref": f"{table}Name"}]}


def _topic() -> Resources:
    """With a key of its own: CloudWatch may not use the one that AWS keeps for topics."""
    everything = {
        "Sid": "WhoRunsTheAccountRulesTheKey",
        "Effect": "Allow",
        "Principal": {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}},
        "Action": "kms:*",
        "Resource": "*",
    }
    publishing = {
        "Sid": "AlarmsPublish",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
    }
    return {
        "AlarmsKey": {
            "Type": "AWS::KMS::Key",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "Description": {"Fn::Sub": "${AWS::StackName}: what alarms say"},
                "EnableKeyRotation": True,
                "KeyPolicy": {"Version": "2012-10-17", "Statement": [everything, publishing]},
            },
        },
        "Alarms": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": {"Ref": "AlarmsKey"}}},
        "AlarmsByMail": {
            "Type": "AWS::SNS::Subscription",
            "Condition": "WithAlarmAddress",
            "Properties": {"TopicArn": {"Ref": "Alarms"}, "Protocol": "email", "Endpoint": {"Ref": "AlarmAddress"}},
        },
    }


def _alarm(
    description: str,
    namespace: str,
    metric: str,
    dimensions: dict[str, Any],
    limit: tuple[float, int],
    statistic: str = "Sum",
    *,
    below: bool = False,
) -> Resources:
    """limit   threshold, and for how many periods of five minutes"""
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": description,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            "Statistic": statistic,
            "Period": 300,
            "EvaluationPeriods": limit[1],
            "Threshold": limit[0],
            "ComparisonOperator": "LessThanThreshold" if below else "GreaterThanOrEqualToThreshold",
            # A function that nobody wakes reports nothing at all.
            "TreatMissingData": "breaching" if below else "notBreaching",
            **_TOLD,
        },
    }
