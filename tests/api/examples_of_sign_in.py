"""Sign-in by an identity provider, in a browser."""

from __future__ import annotations

from tests.management import PASSWORD

from .examples_of_credentials import issuer_on_loopback
from .world import Ask, Place, example, fresh


@example
def show_authorization(at: Place) -> Ask:
    account = fresh("acme")
    at.operator.post("/accounts", {"name": account, "username": "ada", "password": PASSWORD})
    oidc = {"issuer": issuer_on_loopback().url, "client_id": "console"}
    answer = at.operator.patch(f"/accounts/{account}", {"oidc": oidc})
    assert answer.status == 200, answer.text
    proofs = dict.fromkeys(("state", "nonce", "code_challenge"), "p" * 43)
    return Ask(query={"account": account, "redirect_uri": "https://console.example.com/back", **proofs})
