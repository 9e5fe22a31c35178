"""The policies of the functions and the gateway grant what a run of everything made use of, and nothing more.

The run itself is `recorded_run`; `recorded_calls.json` is what it saw, and a campaign holds that file to the code.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

import app as service
from infra.queues import title

from .policies import OWN, OWN_ACCOUNT, PROJECT, RESTORED, Policy, Stack, like, read_policies
from .recorded_calls import recorded
from .recording import Right

FUNCTIONS: Final = ("api_handler", *sorted(source.name for source in service.app.event_sources))
EVERYBODY: Final = (*FUNCTIONS, "gateway")
CONSUMERS: Final = ("collection", "conversions", "rescans", "scans", "tasks", "transfers", "webhooks")
RECORDED: Final = recorded()
_LOGS: Final = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/${AWS::StackName}"
_NO_RESOURCE_OF_THEIR_OWN: Final = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}


def runtime(name: str) -> list[tuple[str, str]]:
    """What AWS does with a function's rights, so that no call of ours shows it: (action, resource).

    log       Lambda writes what the function prints
    traces    Lambda and its daemon send them; X-Ray knows no resources
    queue     Lambda takes messages for the function, and deletes those that it is through with
    """
    if name == "gateway":
        return []
    own_log = f"{_LOGS}-{title(name) if name != 'api_handler' else 'APIHandler'}-*"
    rights = [("logs:CreateLogStream", own_log), ("logs:PutLogEvents", own_log)]
    rights += [(action, "*") for action in sorted(_NO_RESOURCE_OF_THEIR_OWN)]
    if name in CONSUMERS:
        queue = f"${{{title(name)}Queue.Arn}}"
        rights += [(f"sqs:{verb}", queue) for verb in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")]
    return rights


def test_everybody_who_acts_on_aws_was_seen_and_has_a_policy() -> None:
    assert sorted(RECORDED) == sorted(EVERYBODY)
    assert sorted(read_policies()) == sorted(EVERYBODY)


@pytest.mark.parametrize("tables", [OWN, RESTORED], ids=["own tables", "restored tables"])
@pytest.mark.parametrize("name", EVERYBODY)
def test_nobody_lacks_a_right_that_the_run_made_use_of(name: str, tables: dict[str, str]) -> None:
    policy = read_policies(Stack(tables))[name]
    assert [right for right in sorted(RECORDED[name]) if not policy.allows(right)] == []


@pytest.mark.parametrize("name", EVERYBODY)
def test_nobody_has_a_right_that_the_run_made_no_use_of(name: str) -> None:
    assert read_policies()[name].unused(RECORDED[name], runtime(name)) == []


@pytest.mark.parametrize("name", EVERYBODY)
def test_no_right_is_granted_twice(name: str) -> None:
    """Taken away alone, each is missed."""
    policy = read_policies()[name]
    calls = [(right.action, policy.stack.arn(right.resource), right.partition) for right in RECORDED[name]]
    aws_takes = {action for action, _ in runtime(name)}
    for grant in policy.grants:
        others = [one for one in policy.grants if one != grant]
        own = [call for call in calls if grant.covers(*call) and not any(one.covers(*call) for one in others)]
        assert own or grant.action in aws_takes, grant


@pytest.mark.parametrize("name", EVERYBODY)
def test_what_aws_itself_takes_is_granted(name: str) -> None:
    policy = read_policies()[name]
    granted = {(grant.action, grant.resource) for grant in policy.grants}
    wanted = {(action, policy.stack.resolved({"Fn::Sub": resource})) for action, resource in runtime(name)}
    assert wanted <= granted


@pytest.mark.parametrize("name", EVERYBODY)
def test_a_policy_has_no_wildcard_for_actions_and_none_for_resources_without_its_reason(name: str) -> None:
    for grant in read_policies()[name].grants:
        assert "*" not in grant.action and "?" not in grant.action
        if grant.resource == "*":
            assert grant.action in _NO_RESOURCE_OF_THEIR_OWN


@pytest.mark.parametrize("name", EVERYBODY)
def test_every_statement_says_what_it_is_for(name: str) -> None:
    """IAM takes letters and digits alone, and no two the same."""
    sids = [statement["Sid"] for statement in read_policies()[name].statements]
    assert len(set(sids)) == len(sids)
    for sid in sids:
        assert sid.isalnum() and sid.isascii() and sum(letter.isupper() for letter in sid) > 1, sid


@pytest.mark.parametrize("name", EVERYBODY)
def test_buckets_are_of_our_own_account(name: str) -> None:
    """Anybody may have one whose name begins like those of customers."""
    policy = read_policies()[name]
    for statement in policy.statements:
        if any(grant.action.startswith("s3:") for grant in policy.granted(statement)):
            assert policy.stack.resolved(statement.get("Condition")) == OWN_ACCOUNT, statement["Sid"]


@pytest.mark.parametrize("name", ["gateway", "object_created", "collection", "conversions", "tasks", "transfers"])
def test_who_handles_content_touches_nobodys_keys_and_sessions(name: str) -> None:
    """However wrong its code may go: the gateway talks to strangers, and the others do as content says."""
    policy = read_policies()[name]
    for partition in ("ACCESSKEY#", "BUCKET#", "REPLAY#", "SESSION#"):
        for action in ("DeleteItem", "PutItem", "UpdateItem"):
            assert not policy.allows(Right(f"dynamodb:{action}", "Table", partition)), (action, partition)


def test_a_policy_fits_into_its_role() -> None:
    """IAM takes 10 240 characters of policies written into a role, without white space."""
    for name, policy in read_policies().items():
        text = json.dumps(policy.stack.resolved(dict(policy.document)), separators=(",", ":"))
        assert len(text) < 10_240, name


# The evaluation itself


def policy_of(*statements: dict[str, Any]) -> Policy:
    return Policy("tried", {"Statement": [{"Sid": "Tried", "Effect": "Allow", **one} for one in statements]})


TABLE: Final = {"Fn::GetAtt": ["Table", "Arn"]}
BLOBS: Final = {"Fn::Sub": "${Bucket.Arn}/*/blobs/*"}
READ: Final = Right("dynamodb:GetItem", "Table", "BLOB#")
BLOB: Final = Right("s3:GetObject", "Bucket/*/blobs/*/*")


def test_a_right_that_is_missing_is_seen() -> None:
    policy = policy_of({"Action": "dynamodb:GetItem", "Resource": TABLE})
    assert policy.allows(READ)
    for other in (
        READ._replace(action="dynamodb:PutItem"),
        READ._replace(resource="AuditTable"),
        READ._replace(resource="Table/index/index-i1"),
    ):
        assert not policy.allows(other), other


def test_a_right_that_is_unused_is_seen() -> None:
    policy = policy_of({"Action": ["dynamodb:GetItem", "dynamodb:PutItem"], "Resource": [TABLE]})
    assert policy.unused([READ]) == [f"dynamodb:PutItem {policy.stack.arn('Table')}"]
    assert policy.unused([READ, READ._replace(action="dynamodb:PutItem")]) == []


def test_each_resource_of_a_statement_has_to_be_made_use_of() -> None:
    index = {"Fn::Sub": "${Table.Arn}/index/index-i1"}
    policy = policy_of({"Action": "dynamodb:Query", "Resource": [TABLE, index]})
    queried = Right("dynamodb:Query", "Table", "REPO#")
    assert policy.unused([queried]) == [f"dynamodb:Query {policy.stack.arn('Table/index/index-i1')}"]


def test_keys_of_objects_are_compared_by_their_shape() -> None:
    policy = policy_of({"Action": "s3:GetObject", "Resource": BLOBS})
    assert policy.allows(BLOB)
    for other in ("Bucket/*/pushes/*/*", "CustomerBucket/*/blobs/*/*", "Bucket/ready", "Bucket"):
        assert not policy.allows(BLOB._replace(resource=other)), other


def test_rows_of_other_partitions_are_out_of_reach_and_every_partition_is_needed() -> None:
    condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["BLOB#*", "REPO#*"]}}
    policy = policy_of({"Action": "dynamodb:GetItem", "Resource": TABLE, "Condition": condition})
    assert policy.allows(READ)
    assert not policy.allows(READ._replace(partition="SESSION#"))
    assert policy.unused([READ]) == ["Tried REPO#*"]
    assert policy.unused([READ, READ._replace(partition="REPO#")]) == []


def test_what_is_denied_is_not_allowed_by_anything_else() -> None:
    condition = {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": ["SESSION#*"]}}
    allowed = {"Action": "dynamodb:GetItem", "Resource": TABLE}
    policy = policy_of(allowed, {**allowed, "Effect": "Deny", "Condition": condition})
    assert policy.allows(READ)
    assert not policy.allows(READ._replace(partition="SESSION#"))
    assert policy.unused([READ]) == []


def test_what_the_evaluation_does_not_know_is_no_policy() -> None:
    for statement in (
        {"Effect": "Deny"},
        {"Effect": "Deny", "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["SESSION#*"]}}},
        {"Condition": {"StringNotEquals": {"aws:ResourceAccount": "123456789012"}}},
        {"Condition": {"StringEquals": {"aws:ResourceAccount": "210987654321"}}},
    ):
        policy = policy_of({"Action": "dynamodb:GetItem", "Resource": TABLE, **statement})
        with pytest.raises(ValueError, match="tried: "):
            policy.allows(READ)


def test_what_aws_takes_for_itself_need_not_be_recorded_but_only_that() -> None:
    policy = policy_of({"Action": "sqs:ReceiveMessage", "Resource": {"Fn::GetAtt": ["TasksQueue", "Arn"]}})
    assert policy.unused([], [("sqs:ReceiveMessage", "${TasksQueue.Arn}")]) == []
    assert len(policy.unused([], [("sqs:ReceiveMessage", "${WebhooksQueue.Arn}")])) == 1


@pytest.mark.parametrize(
    ("pattern", "text", "same"),
    [("a*c", "abbc", True), ("a*c", "abb", False), ("a?c", "abc", True), ("a?c", "ac", False), ("a.c", "abc", False),
     ("*", "a\nb", True), ("ABC", "abc", False)],
)  # fmt: skip
def test_patterns_are_iams(pattern: str, text: str, same: bool) -> None:
    assert like(pattern, text) is same


def test_the_files_are_json_that_people_can_read() -> None:
    for path in (*(PROJECT / ".chalice").glob("policy-*.json"), *(PROJECT / "infra" / "policies").glob("*.json")):
        assert path.read_text() == json.dumps(json.loads(path.read_text()), indent=2) + "\n", path.name
