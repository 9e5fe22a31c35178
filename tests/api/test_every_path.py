"""Every endpoint answers as its documentation says, over every carrier and on both stacks."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from chalicelib.api import API
from chalicelib.edge.answers import Text
from chalicelib.edge.endpoint import PREFIX, Endpoint
from chalicelib.edge.openapi import openapi
from chalicelib.kernel.roles import Role
from tests.management import Reply, endpoints, paths

from .world import World, every, examples

ENDPOINTS = list(every(endpoints()))


def test_every_endpoint_has_an_example_and_every_example_an_endpoint() -> None:
    names = {endpoint.name for endpoint in ENDPOINTS}
    assert sorted(names - set(examples())) == [], "give them examples in tests/api/examples*.py"
    assert sorted(set(examples()) - names) == []


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_an_endpoint_answers_as_described(world: World, endpoint: Endpoint) -> None:
    ask = examples()[endpoint.name](world.home)
    caller = world.operator if ask.operator else _caller(world, endpoint)
    answer = ask.send(endpoint, world.carried(caller))
    assert answer.status in endpoint.answers, answer.text
    _require_described(endpoint, answer)


def _caller(world: World, endpoint: Endpoint) -> Any:
    """Some examples end what their caller goes on with."""
    if endpoint.name in ("sign_out", "change_me"):
        return world.somebody(Role.READER)
    return world.people[Role.OWNER]


def _require_described(endpoint: Endpoint, answer: Reply) -> None:
    """Headers and body are as the document says."""
    described = document()["paths"][endpoint.path][endpoint.method.lower()]["responses"][str(answer.status)]
    assert re.fullmatch(r"[0-9A-Z]{26}", answer.headers["X-Request-Id"])
    if "Location" in described["headers"]:
        location = answer.headers["Location"]
        assert location.startswith(PREFIX + "/")
        assert paths().find(location), f"nothing answers at {location}"
    kind = endpoint.answers[answer.status]
    if kind is None:
        assert answer.text == ""
    elif kind is Text:
        assert answer.headers["Content-Type"] in described["content"]
    else:
        assert answer.headers["Content-Type"] == "application/json"
        schema = {**described["content"]["application/json"]["schema"], "components": document()["components"]}
        findings = [error.message for error in OAS31Validator(schema).iter_errors(answer.json())]
        assert findings == [], answer.text


@cache
def document() -> dict[str, Any]:
    return openapi(API)
