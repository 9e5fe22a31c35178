"""Signing in with an identity provider (OpenID Connect): which user of the account a token vouches for.

A token names a user who exists; it makes none, and says nothing about roles.
"""

from __future__ import annotations

from chalicelib.identity import oidc
from chalicelib.identity.oidc import Claims
from chalicelib.kernel.errors import Invalid, Unauthenticated
from chalicelib.ports.stack import Stack

from .models import OidcSignIn


def require_provider(stack: Stack, provider: OidcSignIn) -> None:
    """Raises Invalid naming `oidc.issuer` for an address that cannot be a provider's."""
    try:
        oidc.require_issuer(stack, provider.issuer)
    except Invalid as wrong:
        raise Invalid("oidc.issuer", wrong.message) from wrong


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
