"""Signing in at a provider with a browser: the authorization code flow. Source: OpenID Connect Core 1.0 §3.1, RFC 7636.

authorization_address ─► the browser goes there, and comes back with a code ─► exchanged ─► an id token, unproven

The provider's own document says where both happen. What it names is called like every stranger's address: vetted,
bounded, and by few at a time.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import Invalid, TooLarge, Unavailable
from chalicelib.ports.stack import Stack

from .oidc import asking, refused
from .recent import Recent

# Where a provider signs people in changes once in years.
_FRESH_S: Final = 3600
_ASKED_AGAIN_S: Final = 60
_MOST_PROVIDERS: Final = 1000
_LIMIT_BYTES: Final = 256 * 1024
_LONGEST_ADDRESS: Final = 2000
# As addresses are written: they become headers.
_ADDRESS: Final = re.compile("[!-~]+")
_SILENT: Final = "the identity provider does not say where it signs people in"


@dataclass(frozen=True, slots=True)
class Client:
    """What we are to a provider. secret: "" for a public client, which proves itself by PKCE alone."""

    issuer: str
    id: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class _Provider:
    authorization: str
    token: str
    heard_at: float


def authorization_address(
    stack: Stack, client: Client, *, claim: str, redirect_uri: str, state: str, nonce: str, challenge: str
) -> str:
    """Where the browser goes. claim: which the token has to have; challenge: of PKCE, by S256. Raises Unavailable."""
    begun = _provider(stack, client.issuer).authorization
    scope = "openid email" if claim in ("email", "sub") else "openid profile email"
    asked = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{begun}{'&' if '?' in begun else '?'}{urlencode(asked, quote_via=quote)}"


def exchanged(stack: Stack, client: Client, *, code: str, redirect_uri: str, verifier: str) -> str:
    """The id token that the provider gives for a code. Raises Unauthenticated for a code that it does not take,
    Unavailable where it does not answer."""
    address = _provider(stack, client.issuer).token
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": client.id,
        "code_verifier": verifier,
    }
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    if client.secret:
        # RFC 6749 §2.3.1: both are written as in a form before they are put together.
        pair = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    with asking(stack), _no_fault_of_the_caller():
        return _token_in(_asked(stack, address, urlencode(fields).encode(), headers))


def _asked(stack: Stack, address: str, body: bytes, headers: dict[str, str]) -> Any:
    # Takes longer to import than most requests take, and most processes never ask.
    from chalicelib.ports.outbound import outbound

    calls = outbound(stack.settings)
    calls.vet_url(address)
    with calls.request("POST", address, {**headers, "Content-Length": str(len(body))}, body) as answer:
        if 400 <= answer.status < 500:
            raise refused()
        if answer.status != 200:
            raise Unavailable("the identity provider did not answer", retry_after_s=_ASKED_AGAIN_S)
        try:
            return strict_json.parse(answer.whole("url", _LIMIT_BYTES), "url")
        except (TooLarge, Invalid) as unreadable:
            raise refused() from unreadable


def _token_in(answer: Any) -> str:
    token = answer.get("id_token") if isinstance(answer, dict) else None
    if not isinstance(token, str):
        raise refused()
    return token


def _provider(stack: Stack, issuer: str) -> _Provider:
    """As this process last heard of it. Raises Unavailable."""
    known: Recent[str, _Provider] = stack.keep("oidc providers", lambda: Recent(_MOST_PROVIDERS))
    held, now = known.get(issuer), stack.clock.now().timestamp()
    if held is None or now - held.heard_at >= _FRESH_S:
        with asking(stack), _no_fault_of_the_caller():
            held = _published(stack, issuer, now)
        known.put(issuer, held)
    return held


def _published(stack: Stack, issuer: str, now: float) -> _Provider:
    from chalicelib.ports.outbound import outbound

    calls = outbound(stack.settings)
    document = calls.fetch_json(issuer.removesuffix("/") + "/.well-known/openid-configuration")
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise Unavailable("the issuer's document is another issuer's", retry_after_s=_ASKED_AGAIN_S)
    told = [document.get(name) for name in ("authorization_endpoint", "token_endpoint")]
    if not all(isinstance(one, str) and len(one) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(one) for one in told):
        raise Unavailable(_SILENT, retry_after_s=_ASKED_AGAIN_S)
    authorization, token = map(str, told)
    # The browser is sent there, so it is held to what we would call ourselves: https, and no script.
    calls.vet_url(authorization)
    return _Provider(authorization.partition("#")[0], token, now)


@contextmanager
def _no_fault_of_the_caller() -> Iterator[None]:
    """An address that may not be called is the provider's mistake; in other words it would tell whoever runs the
    provider what names mean inside our network."""
    try:
        yield
    except Invalid as forbidden:
        raise Unavailable(_SILENT, retry_after_s=_ASKED_AGAIN_S) from forbidden
