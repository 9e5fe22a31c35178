"""Signing in with an identity provider, against one of the test's own on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.accounts.service import Accounts
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.identity.issuer import RSA_KEY, Issuer, issuing
from tests.management import PASSWORD, Api, Reply
from tests.stacks import FrozenClock, embedded_stack

ANN: dict[str, Any] = {"sub": "7", "email": "ann@example.com", "email_verified": True, "aud": "console"}


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock, allow_private_addresses=True) as opened:
        yield opened


@pytest.fixture
def issuer(clock: FrozenClock) -> Iterator[Issuer]:
    with issuing(clock) as opened:
        yield opened


@pytest.fixture
def operator(stack: Stack, issuer: Issuer) -> Api:
    """Whose service has account `acme`, which trusts the issuer, with user ann@example.com."""
    api = Api.signed_in(stack, operator=True)
    accounts = Accounts(stack)
    accounts.open("acme", "boss", PASSWORD)
    accounts.create_user("acme", "ann@example.com", PASSWORD, Role.DEVELOPER)
    answer = api.patch("/accounts/acme", {"oidc": {"issuer": issuer.url, "client_id": "console"}})
    assert answer.status == 200, answer.text
    assert answer.json()["oidc"] == {
        "issuer": issuer.url,
        "client_id": "console",
        "claim": "email",
        "has_secret": False,
    }
    return api


def sign_in(stack: Stack, token: str, account: str = "acme") -> Reply:
    return Api(stack).post("/session", {"account": account, "id_token": token})


def test_user_for_whom_the_provider_vouches_gets_a_session(stack: Stack, operator: Api, issuer: Issuer) -> None:
    """G5."""
    answer = sign_in(stack, issuer.token(**ANN))
    assert answer.status == 201, answer.text
    assert (answer.json()["username"], answer.json()["role"]) == ("ann@example.com", "developer")
    assert Api(stack, answer.json()["token"]).get("/me").json()["account"] == "acme"


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "nobody@example.com"},
        {"email": "ANN@example.com"},
        {"email_verified": False},
        {"email_verified": None},
        {"email": None},
        {"email": ["ann@example.com"]},
        {"aud": "another-client"},
        {"aud": ["console", "another-client"]},
        {"iss": "https://elsewhere.example.com"},
        {"exp": 1},
    ],
)
def test_whatever_is_wrong_with_a_token_is_answered_alike(
    stack: Stack, operator: Api, issuer: Issuer, claims: dict[str, Any]
) -> None:
    """G5."""
    answer = sign_in(stack, issuer.token(**{**ANN, **claims}))
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.json()["detail"] == "the token is not valid here, or was used before"


def test_token_signed_by_somebody_else_is_refused(stack: Stack, operator: Api, issuer: Issuer) -> None:
    """G5."""
    assert sign_in(stack, issuer.token(key=RSA_KEY, algorithm="RS256", **ANN)).status == 401
    assert sign_in(stack, "not.a.token").status == 401


def test_token_is_taken_once(stack: Stack, operator: Api, issuer: Issuer) -> None:
    """G5."""
    token = issuer.token(jti="once", **ANN)
    assert [sign_in(stack, token).status, sign_in(stack, token).status] == [201, 401]


def test_token_is_for_the_account_that_trusts_its_provider_alone(stack: Stack, operator: Api, issuer: Issuer) -> None:
    """G5."""
    accounts = Accounts(stack)
    accounts.open("globex", "ann@example.com", PASSWORD)
    refused = [sign_in(stack, issuer.token(**ANN), account) for account in ("globex", "nowhere", "\u20ac")]
    assert {(one.status, one.json()["detail"]) for one in refused} == {
        (401, "the token is not valid here, or was used before")
    }


def test_suspended_account_lets_nobody_in(stack: Stack, operator: Api, issuer: Issuer) -> None:
    """G5."""
    operator.patch("/accounts/acme", {"state": "suspended"})
    assert sign_in(stack, issuer.token(**ANN)).code == "DENIED"


def test_another_claim_can_be_the_user_name_and_trust_can_be_withdrawn(
    stack: Stack, operator: Api, issuer: Issuer
) -> None:
    """G5."""
    oidc = {"issuer": issuer.url, "client_id": "console", "claim": "preferred_username"}
    assert operator.patch("/accounts/acme", {"oidc": oidc}).status == 200
    assert sign_in(stack, issuer.token(**{**ANN, "preferred_username": "boss"})).json()["role"] == "owner"
    assert operator.patch("/accounts/acme", {"oidc": None}).json()["oidc"] is None
    assert sign_in(stack, issuer.token(**{**ANN, "preferred_username": "boss", "jti": "2"})).status == 401


@pytest.mark.parametrize("url", ["https://user@id.example.com", "https://id.example.com:99999", "https://[::1"])
def test_provider_that_cannot_be_one_is_refused_where_it_is_written_down(
    stack: Stack, operator: Api, issuer: Issuer, url: str
) -> None:
    answer = operator.patch("/accounts/acme", {"oidc": {"issuer": url, "client_id": "console"}})
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "oidc.issuer")
    assert operator.get("/accounts/acme").json()["oidc"]["issuer"] == issuer.url


def test_password_and_token_exclude_each_other(stack: Stack) -> None:
    both = Api(stack).post("/session", {"username": "ann", "password": PASSWORD, "id_token": "x.y.z"})
    assert (both.status, [one["field"] for one in both.json()["errors"]]) == (400, ["username", "password"])
    neither = Api(stack).post("/session", {})
    assert (neither.status, [one["field"] for one in neither.json()["errors"]]) == (400, ["username", "password"])
