"""Signing in and out through the API."""

from __future__ import annotations

from chalicelib.ports.stack import Stack
from tests.management import PASSWORD, Api


def test_who_knows_the_password_gets_a_session_that_sign_out_ends_at_once(stack: Stack) -> None:
    """G5."""
    Api.signed_in(stack)
    answer = Api(stack).post("/session", {"username": "owner", "password": PASSWORD})
    assert answer.status == 201
    assert answer.json()["role"] == "owner"
    api = Api(stack, answer.json()["token"])
    assert api.delete("/session").status == 204
    assert api.delete("/session").status == 401


def test_every_bad_field_is_named_at_once(stack: Stack) -> None:
    answer = Api(stack).post("/session", {"user": "x", "password": 3})
    assert answer.status == 400
    assert answer.code == "INVALID"
    assert {one["field"] for one in answer.json()["errors"]} == {"user", "username", "password"}
