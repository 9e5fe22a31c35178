"""Signing in at the account's identity provider with a browser, as the API sees it: where to go, and the code that
comes back."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.accounts.service import Accounts
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from tests.identity.issuer import Issuer, issuing
from tests.management import PASSWORD, Api, Reply
from tests.stacks import FrozenClock, embedded_stack

PROOF = "p" * 43
BACK = "http://127.0.0.1:5000/console/sign-in/callback"
ANN: dict[str, Any] = {
    "sub": "7", "email": "ann@example.com", "email_verified": True, "aud": "console", "nonce": PROOF,
}  # fmt: skip


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
    """Whose service has account `acme`, which trusts the issuer by a client with a secret, and ann@example.com."""
    api, accounts = Api.signed_in(stack, operator=True), Accounts(stack)
    accounts.open("acme", "boss", PASSWORD)
    accounts.create_user("acme", "ann@example.com", PASSWORD, Role.DEVELOPER)
    oidc = {"issuer": issuer.url, "client_id": "console", "client_secret": "s3cret/+"}
    assert api.patch("/accounts/acme", {"oidc": oidc}).json()["oidc"]["has_secret"] is True
    return api


def begin(stack: Stack, account: str = "acme") -> Reply:
    return Api(stack).get(
        "/session/authorization", account=account, redirect_uri=BACK, state=PROOF, nonce=PROOF, code_challenge="c" * 43
    )


def finish(stack: Stack, code: str = "c0de", **changed: object) -> Reply:
    brought = {"code": code, "redirect_uri": BACK, "code_verifier": PROOF, "nonce": PROOF, **changed}
    return Api(stack).post("/session", {"account": "acme", "authorization": brought})


def test_a_browser_is_sent_to_the_provider_with_all_that_it_needs(stack: Stack, operator: Api, issuer: Issuer) -> None:
    """G5"""
    url = urlsplit(begin(stack).json()["url"])
    asked = {name: value for name, (value,) in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{issuer.url}/sign-in"
    assert asked == {
        "response_type": "code", "client_id": "console", "redirect_uri": BACK, "scope": "openid email",
        "state": PROOF, "nonce": PROOF, "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip


def test_the_code_is_exchanged_for_a_session_once(stack: Stack, operator: Api, issuer: Issuer) -> None:
    """G5"""
    issuer.codes["c0de"] = issuer.token(**ANN)
    answer = finish(stack)
    assert (answer.status, answer.json()["username"]) == (201, "ann@example.com")
    (sent,) = issuer.exchanges
    client = base64.b64encode(b"console:s3cret%2F%2B").decode()
    assert sent == {
        "grant_type": "authorization_code", "code": "c0de", "redirect_uri": BACK, "client_id": "console",
        "code_verifier": PROOF, "authorization": f"Basic {client}",
    }  # fmt: skip
    assert finish(stack).status == 401


def test_a_token_for_another_browser_is_refused(stack: Stack, operator: Api, issuer: Issuer) -> None:
    """G5: the nonce is the one that this browser asked with."""
    for nonce in ("q" * 43, None, 7):
        issuer.codes["c0de"] = issuer.token(**{**ANN, "nonce": nonce})
        assert (answer := finish(stack)).status == 401, answer.text


def test_the_secret_is_sealed_stays_with_its_client_and_goes_when_told(
    stack: Stack, operator: Api, issuer: Issuer
) -> None:
    """G5"""
    assert "s3cret" not in str(stack.table.get(keys.account("acme")))
    oidc = {"issuer": issuer.url, "client_id": "console"}
    assert operator.patch("/accounts/acme", {"oidc": {**oidc, "claim": "sub"}}).json()["oidc"]["has_secret"] is True
    assert operator.patch("/accounts/acme", {"oidc": {**oidc, "client_secret": None}}).json()["oidc"] == {
        **oidc, "claim": "email", "has_secret": False,
    }  # fmt: skip
    operator.patch("/accounts/acme", {"oidc": {**oidc, "client_secret": "again"}})
    other = operator.patch("/accounts/acme", {"oidc": {**oidc, "client_id": "another"}})
    assert other.json()["oidc"]["has_secret"] is False
    assert "again" not in other.text


def test_accounts_without_a_provider_answer_as_missing_ones(stack: Stack, operator: Api) -> None:
    """G5"""
    refused = [begin(stack, account) for account in ("default", "nowhere", "\u20ac")]
    assert {(one.status, one.json()["detail"]) for one in refused} == {
        (404, "no identity provider is set up for this account; sign in with a password")
    }


@pytest.mark.parametrize(
    "document",
    [
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
        {"token_endpoint": 7},
        {"issuer": "https://elsewhere.example.com"},
    ],
    ids=str,
)
def test_a_document_that_leads_elsewhere_sends_nobody_there(
    stack: Stack, operator: Api, issuer: Issuer, document: dict[str, Any]
) -> None:
    """G5"""
    issuer.document = document
    assert begin(stack).status == 503


def test_private_addresses_are_not_called_for_a_token(tmp_path: Path, clock: FrozenClock) -> None:
    """G5"""
    with embedded_stack(tmp_path, clock) as stack, issuing(clock) as issuer:
        Accounts(stack).create("acme")
        provider = {"issuer": issuer.url, "client_id": "console"}
        stack.table.put({**(stack.table.get(keys.account("acme")) or {}), "oidc": provider})
        assert finish(stack).status == 503
        assert issuer.asked == []
