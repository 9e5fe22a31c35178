"""Signing in with an identity provider (OpenID Connect): which user of the account a token vouches for.

A token names a user who exists; it makes none, and says nothing about roles.
"""

from __future__ import annotations

from typing import Final

from chalicelib.identity import oidc
from chalicelib.identity.oidc import Claims
from chalicelib.identity.oidc_code import Client
from chalicelib.identity.sealing import seal, unseal
from chalicelib.kernel.errors import Conflict, Invalid, Unauthenticated, Unavailable
from chalicelib.ports.stack import Stack

from .models import OidcProvider, OidcSignIn

# An operator has to do something first.
_ASKED_AGAIN_S: Final = 300


def provided(
    stack: Stack, account_id: str, wanted: OidcSignIn, held: OidcProvider | None, secret: str | None
) -> OidcProvider:
    """What is to be kept of a provider. held: what is kept now; secret: the client's, None for the one that is kept.

    Raises Invalid naming `oidc.issuer` for an address that cannot be a provider's.
    """
    try:
        oidc.require_issuer(stack, wanted.issuer)
    except Invalid as wrong:
        raise Invalid("oidc.issuer", wrong.message) from wrong
    same = held is not None and (held.issuer, held.client_id) == (wanted.issuer, wanted.client_id)
    sealed = held.sealed_secret if held is not None and same and secret is None else ""
    if secret:
        sealed = seal(stack, secret, _about(account_id, wanted))
    return OidcProvider.model_validate({**wanted.model_dump(), "sealed_secret": sealed})


def client_of(stack: Stack, account_id: str, provider: OidcProvider) -> Client:
    """What the service is to the provider. Raises Unavailable where the kept secret can be read no more."""
    sealed = provider.sealed_secret
    try:
        secret = unseal(stack, sealed, _about(account_id, provider)) if sealed else ""
    except Conflict as unreadable:
        lost = "the identity provider's client secret can be read no more; an operator has to give it again"
        raise Unavailable(lost, retry_after_s=_ASKED_AGAIN_S) from unreadable
    return Client(provider.issuer, provider.client_id, secret)


def _about(account_id: str, provider: OidcSignIn) -> str:
    return f"oidc client {provider.client_id} of account {account_id} at {provider.issuer}"


def vouched(stack: Stack, provider: OidcSignIn, id_token: str) -> Claims:
    """The claims of a genuine token. Raises Unauthenticated, in the words of `refused`; Unavailable."""
    return oidc.verify(stack, id_token, issuer=provider.issuer, audience=provider.client_id)


def name_in(claims: Claims, provider: OidcSignIn) -> str:
    """The user name, "" where the token does not say it. At many providers people can write any email they like into
    their profile, so that only a verified one says who they are."""
    name = claims.get(provider.claim)
    unverified = provider.claim == "email" and claims.get("email_verified") is not True
    return name if isinstance(name, str) and not unverified else ""


def refused() -> Unauthenticated:
    return oidc.refused()
