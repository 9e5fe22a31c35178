"""Signing in and out, users and access keys, and the operator's accounts."""

from __future__ import annotations

from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.kernel.roles import Right

from .service import Accounts
from .shapes import SessionAnswer, SignIn

routes = Routes("accounts")


@routes.post("/session", needs=None, changes="session.create", secret=True, also=(401, 429))
def sign_in(call: Call, body: SignIn) -> SessionAnswer:
    """Sign in with a user name and a password.

    Ten wrong passwords in five minutes close a user name for a while: 429 with Retry-After.
    """
    call.tell(account_id=body.account, user=body.username)
    signed_in = Accounts(call.stack).sign_in(
        body.account, body.username, body.password.get_secret_value(), call.request.address
    )
    call.principal = signed_in.principal
    return SessionAnswer(
        token=signed_in.token,
        expires_at=signed_in.expires_at,
        account=body.account,
        username=body.username,
        role=signed_in.role,
    )


@routes.delete("/session", needs=Right.SELF, changes="session.delete")
def sign_out(call: Call) -> None:
    """Sign out: the session ends at once."""
    Accounts(call.stack).sign_out(call.request.headers["authorization"].partition(" ")[2].strip(" "))
