"""Handlers are called with the events that AWS's documentation shows, whole: `events/*.json`.

sqs.json              Lambda developer guide, "Using Lambda with Amazon SQS"
object_created.json   S3 user guide, "EventBridge event message structure"
scheduled.json        EventBridge user guide, scheduled events
api_gateway.json      API Gateway developer guide, "Input format of a Lambda function for proxy integration"

A test changes what the event is about - a bucket, a body, a path - and nothing of its shape. The stores are moto's.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

import app as service
from chalicelib.audit.models import Entry, Filter
from chalicelib.audit.service import Audit
from chalicelib.edge.apicall import given
from chalicelib.edge.consume import encode
from chalicelib.host.pumps import Context
from chalicelib.instances.models import Instance
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.messages import ClearDue
from chalicelib.kernel.settings import Settings
from chalicelib.ports import keys
from chalicelib.ports.aws.stack import open_aws_stack
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry
from tests.management import PASSWORD, Api
from tests.ports_aws.adapters import moto_clients
from tests.ports_aws.emulators import environment_of
from tests.ports_aws.resources import create_resources
from tests.registry.images import NAME, image, owner_of, push_blob, push_manifest
from tests.stacks import FrozenClock, make_instance, make_namespace

EVENTS = Path(__file__).parent / "events"
SCHEDULED = ("announce", "life", "retention", "seal_audit", "sweep")


def documented(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    settings = Settings(stack="aws", region="eu-central-1", secret_key="0123456789abcdef" * 3)
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in environment_of().items():
            patch.setenv(name, value)
        create_resources(moto_clients(), settings)
        with open_aws_stack(settings, FrozenClock()) as opened:
            patch.setattr(service, "stack", lambda: opened)
            yield opened


@pytest.fixture(scope="module")
def instance(stack: Stack) -> Instance:
    made = make_instance(stack, bucket=stack.settings.bucket)
    make_namespace(stack, made)
    return made


def called(function: str, event: dict[str, Any]) -> Any:
    """By the name that the template gives as its handler, `app.<function>`."""
    before = copy.deepcopy(event)
    with given(service.stack()):
        answer = getattr(service, function)(event, Context(function))
    assert event == before, "the handler changed its event, which Lambda would log and deliver again"
    return json.loads(json.dumps(answer))


def of_push(stack: Stack, instance: Instance, tag: str) -> dict[str, Any]:
    """The event of the object that a push of this tag leaves."""
    caller = replace(owner_of(instance), request_id=new_id())
    for data in (b"{}", b"layer"):
        push_blob(Registry(stack), caller, data)
    push_manifest(Registry(stack), caller, image(b"layer"), tag)
    (left,) = stack.objects(instance.bucket).list(f"{instance.id}/pushes/").items
    event = documented("object_created")
    event["detail"]["bucket"]["name"] = instance.bucket
    event["resources"] = [f"arn:aws:s3:::{instance.bucket}"]
    event["detail"]["object"]["key"] = left.key
    return event


def test_object_created_of_a_push_is_carried_through_its_handlers(stack: Stack, instance: Instance) -> None:
    """R1 G1"""
    event = of_push(stack, instance, "recorded")

    assert called("object_created", event) is None

    (entry,) = entries(stack, instance, "recorded")
    assert (entry.action, entry.object_type) == ("push", "tag")
    assert stack.objects(instance.bucket).list(f"{instance.id}/pushes/").items == ()
    assert called("object_created", event) is None, "EventBridge delivers some events twice"


def test_object_created_that_is_no_push_does_nothing(stack: Stack, instance: Instance) -> None:
    """The documented event as it stands: a bucket of somebody else's."""
    assert called("object_created", documented("object_created")) is None


@pytest.mark.parametrize("function", SCHEDULED)
def test_scheduled_event_wakes(stack: Stack, instance: Instance, function: str) -> None:
    assert called(function, documented("scheduled")) is None


def test_scheduled_sweep_finds_what_is_due(stack: Stack, instance: Instance) -> None:
    called("object_created", of_push(stack, instance, "forgotten"))
    assert isinstance(stack.clock, FrozenClock)
    stack.clock.advance(stack.settings.upload_ttl_s + 1)

    called("sweep", documented("scheduled"))

    assert {json.loads(one.body)["type"] for one in stack.queues.receive("collection")} == {"ClearDue"}


@pytest.mark.parametrize("function", ["collection", "tasks", "webhooks"])
def test_batch_of_messages_that_say_nothing_fails_each_of_them(stack: Stack, function: str) -> None:
    """The documented batch as it stands. Lambda reads these names; another shape would delete the messages."""
    event = documented("sqs")
    assert called(function, event) == {
        "batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]
    }


def test_batch_with_one_bad_message_fails_that_one_alone(stack: Stack) -> None:
    event = documented("sqs")
    good, bad = event["Records"]
    good["body"] = encode(ClearDue(kind="upload", partition=keys.due_partitions("upload")[0]))
    assert called("collection", event) == {"batchItemFailures": [{"itemIdentifier": bad["messageId"]}]}


def test_batch_of_good_messages_leaves_nothing_to_do_again(stack: Stack) -> None:
    event = documented("sqs")
    for record in event["Records"]:
        record["body"] = encode(ClearDue(kind="upload", partition=keys.due_partitions("upload")[0]))
    assert called("collection", event) == {"batchItemFailures": []}


def entries(stack: Stack, instance: Instance, about: str) -> Sequence[Entry]:
    """Of the instance's audit record, by what they are about."""
    found = Audit(stack).search(instance.id, Filter(), None, 50).items
    return [entry for entry in found if about in (entry.namespace, entry.object.partition("@")[0])]


def request(method: str, route: str, body: object = None, **parameters: str) -> dict[str, Any]:
    """The documented request, asking for something of ours."""
    event = documented("api_gateway")
    path = route.format(**parameters)
    event |= {"resource": route, "path": path, "httpMethod": method, "pathParameters": parameters or None}
    event["requestContext"] |= {"httpMethod": method, "path": f"/live{path}", "resourcePath": route}
    if body is not None:
        event["body"] = json.dumps(body)
        add_header(event, "Content-Type", "application/json")
    return event


def add_header(event: dict[str, Any], name: str, value: str) -> None:
    event["headers"][name] = value
    event["multiValueHeaders"][name] = [value]


def signed_in(stack: Stack, event: dict[str, Any]) -> dict[str, Any]:
    add_header(event, "Authorization", f"Bearer {Api.signed_in(stack).token}")
    return event


NAMESPACES = "/api/v1/instances/{instance}/namespaces"


def test_request_to_sign_in_is_answered_as_api_gateway_wants_it(stack: Stack) -> None:
    """G5: all four fields, the body a text."""
    Api.signed_in(stack)
    login = {"username": "owner", "password": PASSWORD}

    answer = called("app", request("POST", "/api/v1/session", login))

    assert answer["statusCode"] == 201
    assert json.loads(answer["body"])["role"] == "owner"
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert not answer.get("isBase64Encoded")
    known = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
    assert answer.keys() <= known, "API Gateway answers 502 to what it does not know"


def test_request_comes_from_the_address_that_api_gateway_saw(stack: Stack, instance: Instance) -> None:
    """G1: never from X-Forwarded-For, whose first entry the client writes."""
    body = {"name": "made"}
    answer = called("app", signed_in(stack, request("POST", NAMESPACES, body, instance=instance.id)))
    assert answer["statusCode"] == 201, answer["body"]
    (entry,) = entries(stack, instance, "made")
    assert entry.source_ip == documented("api_gateway")["requestContext"]["identity"]["sourceIp"]


def test_request_with_a_body_in_base64_is_read(stack: Stack, instance: Instance) -> None:
    event = signed_in(stack, request("POST", NAMESPACES, {"name": "packed"}, instance=instance.id))
    event |= {"body": base64.b64encode(event["body"].encode()).decode(), "isBase64Encoded": True}
    assert called("app", event)["statusCode"] == 201


def test_request_with_a_query_is_read(stack: Stack, instance: Instance) -> None:
    event = signed_in(stack, request("GET", NAMESPACES, instance=instance.id))
    event["queryStringParameters"] = {"limit": "1"}
    event["multiValueQueryStringParameters"] = {"limit": ["1"]}
    make_namespace(stack, instance, "another")
    page = json.loads(called("app", event)["body"])
    assert len(page["items"]) == 1
    assert page["next"]


def test_request_of_nobody_is_refused_in_the_service_s_own_words(stack: Stack) -> None:
    """The documented headers, without a sign-in."""
    answer = called("app", request("GET", "/api/v1/me"))
    assert answer["statusCode"] == 401
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert json.loads(answer["body"])["code"] == "UNAUTHENTICATED"


def test_pushed_tag_is_seen_through_the_api(stack: Stack, instance: Instance) -> None:
    """N4: what the event's handlers wrote is what the request reads."""
    called("object_created", of_push(stack, instance, "seen"))
    route = NAMESPACES + "/{namespace}/repositories/{repository}/tags"
    event = request("GET", route, instance=instance.id, namespace="library", repository=NAME.short)
    tags = json.loads(called("app", signed_in(stack, event))["body"])["items"]
    assert "seen" in {tag["tag"] for tag in tags}
