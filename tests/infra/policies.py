"""The hand-written policies as IAM reads them, once CloudFormation has put in what they name.

    policies = read_policies()
    policies["sweep"].allows(Right("dynamodb:Query", "Table/index/index-i1", "DUE#"))
    policies["sweep"].unused(rights)          what it grants, and nobody makes use of

Of the intrinsic functions it knows those the policies use: Ref, Fn::GetAtt, Fn::Sub, Fn::If.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .recording import Right

PROJECT: Final = Path(__file__).parents[2]
GATEWAY: Final = PROJECT / "infra" / "policies" / "gateway.json"
_REFERENCE: Final = re.compile(r"\$\{([A-Za-z0-9:.]+)\}")
_ACCOUNT: Final = "eu-central-1:123456789012"
_STACK: Final = "crs-test"
_QUEUES: Final = ("Collection", "Conversions", "Rescans", "Scans", "Tasks", "Transfers", "Webhooks")
LEADING_KEYS: Final = "dynamodb:LeadingKeys"
# Buckets' names are the whole world's: one of somebody else's account may begin like those of customers.
OWN_ACCOUNT: Final = {"StringEquals": {"aws:ResourceAccount": "123456789012"}}
# Table names are CloudFormation's, or the operator's where a restored table took the place of the stack's own.
OWN: Final = {"Table": f"{_STACK}-Table-1A2B", "AuditTable": f"{_STACK}-AuditTable-3C4D"}
RESTORED: Final = {"Table": "restored", "AuditTable": "restored-audit"}


@dataclass(frozen=True)
class Stack:
    """What CloudFormation knows. tables: of these names, the stack's own or restored ones."""

    tables: Mapping[str, str]

    @property
    def values(self) -> dict[str, str]:
        return {
            "AWS::Partition": "aws",
            "AWS::Region": "eu-central-1",
            "AWS::AccountId": "123456789012",
            "AWS::StackName": _STACK,
            "CustomerBucketPrefix": f"{_STACK}-customer-",
            "TableName": RESTORED["Table"],
            "AuditTableName": RESTORED["AuditTable"],
            "Table.Arn": _table(OWN["Table"]),
            "AuditTable.Arn": _table(OWN["AuditTable"]),
            "Bucket.Arn": f"arn:aws:s3:::{_STACK}-bucket-5e6f",
            "Keys": f"arn:aws:secretsmanager:{_ACCOUNT}:secret:Keys-7G8H",
            **{f"{queue}Queue.Arn": _queue(queue) for queue in _QUEUES},
        }

    def arn(self, resource: str) -> str:
        """Of a resource as the recording names it."""
        name, slash, rest = resource.partition("/")
        rest = slash + rest.replace("*", "01J00000000000000000000000")
        if name in self.tables:
            return _table(self.tables[name]) + rest
        if name == "CustomerBucket":
            return f"arn:aws:s3:::{self.values['CustomerBucketPrefix']}of-acme{rest}"
        values = self.values
        return (values.get(f"{name}.Arn") or values[name]) + rest

    def resolved(self, value: Any) -> Any:
        """The value with its intrinsic functions worked out. Raises KeyError for what the stack does not know."""
        if isinstance(value, list):
            return [self.resolved(one) for one in value]
        if not isinstance(value, dict) or len(value) != 1:
            return {name: self.resolved(one) for name, one in value.items()} if isinstance(value, dict) else value
        ((function, argument),) = value.items()
        if function == "Ref":
            return self.values[argument]
        if function == "Fn::GetAtt":
            return self.values[".".join(argument)]
        if function == "Fn::Sub":
            return _REFERENCE.sub(lambda found: self.values[found[1]], argument)
        if function == "Fn::If":
            condition, own, other = argument
            name = {"OwnTable": "Table", "OwnAuditTable": "AuditTable"}[condition]
            return self.resolved(own if self.tables[name] == OWN[name] else other)
        return {function: self.resolved(argument)}


@dataclass(frozen=True)
class Grant:
    """One action on one resource, of rows in these partitions alone, as patterns; None: of all."""

    action: str
    resource: str
    partitions: tuple[str, ...] | None = None

    def covers(self, action: str, arn: str, partition: str) -> bool:
        inside = self.partitions is None or any(like(one, partition) for one in self.partitions)
        return self.action == action and like(self.resource, arn) and inside


@dataclass(frozen=True)
class Policy:
    name: str
    document: Mapping[str, Any]
    stack: Stack = Stack(OWN)

    @property
    def statements(self) -> list[Mapping[str, Any]]:
        return list(self.document["Statement"])

    @property
    def grants(self) -> list[Grant]:
        return [grant for one in self.statements if one["Effect"] == "Allow" for grant in self.granted(one)]

    @property
    def denials(self) -> list[Grant]:
        return [grant for one in self.statements if one["Effect"] == "Deny" for grant in self.granted(one)]

    def allows(self, right: Right) -> bool:
        call = (right.action, self.stack.arn(right.resource), right.partition)
        granted, denied = ([one.covers(*call) for one in some] for some in (self.grants, self.denials))
        return any(granted) and not any(denied)

    def unused(self, rights: Iterable[Right], runtime: Iterable[tuple[str, str]] = ()) -> list[str]:
        """What it grants and none of these makes use of: an action on a resource, or a partition of a whole statement.

        runtime   actions on resources that AWS itself takes
        """
        asked = [(right.action, self.stack.arn(right.resource), right.partition) for right in rights]
        taken = {(action, self.stack.resolved({"Fn::Sub": resource})) for action, resource in runtime}
        found = []
        for statement in self.statements:
            grants = [] if statement["Effect"] == "Deny" else list(self.granted(statement))
            used = [call for call in asked if any(grant.covers(*call) for grant in grants)]
            found += [
                f"{grant.action} {grant.resource}"
                for grant in grants
                if (grant.action, grant.resource) not in taken and not any(grant.covers(*call) for call in used)
            ]
            patterns = {pattern for grant in grants for pattern in grant.partitions or ()}
            found += [
                f"{statement['Sid']} {pattern}"
                for pattern in sorted(patterns)
                if not any(like(pattern, partition) for _, _, partition in used)
            ]
        return found

    def granted(self, statement: Mapping[str, Any]) -> Iterator[Grant]:
        """Actions on resources that a statement grants, or denies. Raises ValueError for conditions unknown here."""
        operator = {"Allow": "ForAllValues:StringLike", "Deny": "ForAnyValue:StringLike"}[statement["Effect"]]
        conditions = self.stack.resolved(statement.get("Condition", {}))
        partitions = conditions.pop(operator, {}).get(LEADING_KEYS)
        if statement["Effect"] == "Deny" and partitions is None:
            raise ValueError(f"{self.name}: what is denied here are rows of some partitions")
        if conditions not in ({}, OWN_ACCOUNT):
            raise ValueError(f"{self.name}: nobody here knows the condition {conditions}")
        for action in _several(statement["Action"]):
            for resource in _several(self.stack.resolved(statement["Resource"])):
                yield Grant(action, resource, None if partitions is None else tuple(_several(partitions)))


def like(pattern: str, text: str) -> bool:
    """As IAM compares: `*` for anything, `?` for one character, case and all."""
    expression = "".join(".*" if one == "*" else "." if one == "?" else re.escape(one) for one in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def read_policies(stack: Stack = Stack(OWN)) -> dict[str, Policy]:
    """Of each function, as `.chalice/config.json` names its file, and the gateway's."""
    chalice = PROJECT / ".chalice"
    functions = json.loads((chalice / "config.json").read_text())["lambda_functions"]
    files = {name: chalice / function["iam_policy_file"] for name, function in functions.items()}
    return {
        name: Policy(name, json.loads(path.read_text()), stack) for name, path in {**files, "gateway": GATEWAY}.items()
    }


def _several(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _table(name: str) -> str:
    return f"arn:aws:dynamodb:{_ACCOUNT}:table/{name}"


def _queue(name: str) -> str:
    return f"arn:aws:sqs:{_ACCOUNT}:{_STACK}-{name.lower()}"
