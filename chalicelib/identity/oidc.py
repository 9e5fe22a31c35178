"""Tokens of strangers' identity providers: whether one is genuine, and that it is used once. Source: OpenID Connect
Discovery 1.0, RFC 7515, RFC 7518, RFC 7519, RFC 8725.

token ─► its issuer is the wanted one ─► the issuer's published keys ─► signature ─► audience, times ─► claims

Keys come from the issuer's own documents alone: what the token's header offers (`jwk`, `jku`, `x5c`, `x5u`) is not
looked at, and a `crit` is refused, whatever it asks for. The kind of key says which algorithm there can be.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.types import Options

from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import Invalid, Unauthenticated, Unavailable
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, absent, any_of, at_most

from .recent import Recent

Claims = Mapping[str, Any]

LEEWAY_S: Final = 60
LONGEST_LIFE_S: Final = 24 * 3600
LONGEST_TOKEN: Final = 16 * 1024
# Keys are asked for again after an hour, so that withdrawn ones die, and for an unknown key id once a minute at most.
_KEYS_FRESH_S: Final = 3600
_ASKED_AGAIN_S: Final = 60
# One asks, the others wait; not for long, and not many of all issuers together: each holds a worker thread, of which
# there are 24 or 32, that pushes need too, and an issuer that answers slowly on purpose holds its own for 10 s.
_LONGEST_WAIT_S: Final = 1.0
_MOST_ASKING: Final = 8
_MOST_ISSUERS: Final = 1000
_MOST_KEYS: Final = 100
_SHORTEST_RSA_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class _IssuerKey:
    id: str
    algorithms: frozenset[str]
    public: Any


class _Issuer:
    """One issuer's keys, as this process last heard of them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.keys: tuple[_IssuerKey, ...] = ()
        self.asked_at = 0.0
        self.heard_at = 0.0


def verify(stack: Stack, token: str, *, issuer: str, audience: str) -> Claims:
    """The claims of a genuine token of this issuer for this audience.

    Raises Unauthenticated, always in the same words, for whatever is wrong with the token; Unavailable where the issuer
    does not tell its keys.
    """
    header, claims = _read(token)
    if claims.get("iss") != issuer:
        raise refused()
    key = _key(stack, issuer, header)
    try:
        jwt.decode(token, key.public, algorithms=[header["alg"]], options=_BY_US)
    except (jwt.PyJWTError, ValueError, TypeError) as wrong:
        raise refused() from wrong
    _require_claims(claims, audience, stack.clock.now().timestamp())
    return claims


def use_once(stack: Stack, claims: Claims) -> None:
    """Marks a verified token as used until it expires. Raises Unauthenticated the second time.

    A token is known by its `jti`, else by all it says: its signature can be written in several ways.
    """
    jti = claims.get("jti")
    known_by = [jti] if isinstance(jti, str) and jti else [claims]
    text = json.dumps([claims["iss"], known_by], sort_keys=True)
    key = keys.workload_token(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
    expires = int(claims["exp"]) + LEEWAY_S + 1
    over = any_of(absent(), at_most("expires", int(stack.clock.now().timestamp())))
    try:
        stack.table.put({**key._asdict(), "expires": expires}, over)
    except ConditionFailed as used:
        raise refused() from used


def read_unproven(token: str) -> Claims:
    """What a token says of itself, which proves nothing yet. Raises Unauthenticated."""
    return _read(token)[1]


def require_issuer(stack: Stack, issuer: str) -> None:
    """Raises Invalid naming `issuer` for what cannot be one: it is called later, when a token comes."""
    from chalicelib.ports.outbound import outbound

    try:
        outbound(stack.settings).vet_url(issuer)
    except Invalid as refusal:
        raise Invalid("issuer", refusal.message) from refusal


def refused() -> Unauthenticated:
    return Unauthenticated("the token is not valid here, or was used before")


# What PyJWT would check by its own clock, or leniently, is checked below.
_BY_US: Final[Options] = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unproven."""
    parts = token.split(".") if len(token) <= LONGEST_TOKEN else []
    if len(parts) != 3:
        raise refused()
    header, claims = _json(parts[0]), _json(parts[1])
    typ = header.get("typ", "JWT")
    plain = isinstance(typ, str) and typ.upper() == "JWT" and "crit" not in header
    if not plain or not isinstance(header.get("alg"), str) or not isinstance(header.get("kid", ""), str):
        raise refused()
    return header, claims


def _json(part: str) -> dict[str, Any]:
    try:
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        value = strict_json.parse(data, "token")
    except (binascii.Error, ValueError, Invalid) as malformed:
        raise refused() from malformed
    if not isinstance(value, dict):
        raise refused()
    return value


def _key(stack: Stack, issuer: str, header: Mapping[str, Any]) -> _IssuerKey:
    known: Recent[str, _Issuer] = stack.keep("oidc issuers", lambda: Recent(_MOST_ISSUERS))
    held = known.get(issuer)
    if held is None:
        held = _Issuer()
        known.put(issuer, held)
    fresh = stack.clock.now().timestamp() - held.heard_at < _KEYS_FRESH_S
    key = _fitting(held.keys, header) if fresh else None
    if key is not None:
        return key
    with asking(stack):
        return _asked_key(stack, issuer, held, header)


@contextmanager
def asking(stack: Stack) -> Iterator[None]:
    """Holds one of the few places of those who wait for issuers. Raises Unavailable where all are taken."""
    places = stack.keep("oidc asking", lambda: threading.BoundedSemaphore(_MOST_ASKING))
    if not places.acquire(blocking=False):
        raise _being_asked()
    try:
        yield
    finally:
        places.release()


def _asked_key(stack: Stack, issuer: str, held: _Issuer, header: Mapping[str, Any]) -> _IssuerKey:
    """The key that the issuer names when it is asked, or named to whoever asked meanwhile."""
    if not held.lock.acquire(timeout=_LONGEST_WAIT_S):
        raise _being_asked()
    try:
        now = stack.clock.now().timestamp()
        stale = now - held.heard_at >= _KEYS_FRESH_S
        key = None if stale else _fitting(held.keys, header)
        if key is None and now - held.asked_at >= _ASKED_AGAIN_S:
            held.asked_at = now
            held.keys = _ask(stack, issuer)
            held.heard_at, stale = now, False
            key = _fitting(held.keys, header)
    finally:
        held.lock.release()
    if stale:
        raise Unavailable("the issuer does not tell its keys; try again later", retry_after_s=_ASKED_AGAIN_S)
    if key is None:
        raise refused()
    return key


def _being_asked() -> Unavailable:
    return Unavailable("issuers are being asked for their keys; try again", retry_after_s=2)


def _fitting(known: tuple[_IssuerKey, ...], header: Mapping[str, Any]) -> _IssuerKey | None:
    """The one key that is meant: by its id, or the only one of the algorithm where the token names none."""
    wanted = header.get("kid", "")
    fitting = [key for key in known if header["alg"] in key.algorithms and wanted in ("", key.id)]
    return fitting[0] if len(fitting) == 1 else None


def _ask(stack: Stack, issuer: str) -> tuple[_IssuerKey, ...]:
    """Raises Unavailable, also where its documents lead to what may not be called: that is no mistake of the caller's,
    and in other words it would tell whoever runs the issuer what names mean inside our network."""
    try:
        return _published(stack, issuer)
    except Invalid as forbidden:
        raise Unavailable("the issuer does not tell its keys", retry_after_s=_ASKED_AGAIN_S) from forbidden


def _published(stack: Stack, issuer: str) -> tuple[_IssuerKey, ...]:
    """Raises Invalid naming `url`, Unavailable."""
    # Takes longer to import than most requests take, and most processes never ask.
    from chalicelib.ports.outbound import outbound

    calls = outbound(stack.settings)
    document = calls.fetch_json(issuer.removesuffix("/") + "/.well-known/openid-configuration")
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise Unavailable("the issuer's document is another issuer's", retry_after_s=_ASKED_AGAIN_S)
    published = calls.fetch_json(str(document.get("jwks_uri", "")))
    listed = published.get("keys") if isinstance(published, dict) else None
    if not isinstance(listed, list):
        raise Unavailable("the issuer publishes no keys", retry_after_s=_ASKED_AGAIN_S)
    found = (_parse_key(entry) for entry in listed[:_MOST_KEYS])
    return tuple(key for key in found if key is not None)


def _parse_key(entry: Any) -> _IssuerKey | None:
    """None for a key that is of no use here: an encryption key, a secret, an algorithm we do not take."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    try:
        public = jwt.PyJWK.from_dict(entry).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    algorithms = _algorithms(public)
    if "alg" in entry:
        algorithms &= {entry["alg"]} if isinstance(entry["alg"], str) else set()
    return _IssuerKey(str(entry.get("kid", "")), algorithms, public) if algorithms else None


def _algorithms(public: Any) -> frozenset[str]:
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= _SHORTEST_RSA_BITS:
        return frozenset({"RS256", "PS256"})
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
        return frozenset({"ES256"})
    return frozenset({"EdDSA"} if isinstance(public, ed25519.Ed25519PublicKey) else ())


def _require_claims(claims: Claims, audience: str, now: float) -> None:
    issued_at, expires_at = _moment(claims.get("iat")), _moment(claims.get("exp"))
    not_before = _moment(claims.get("nbf", claims.get("iat")))
    meant_for_us = claims.get("aud") in (audience, [audience])
    begun = max(issued_at, not_before) <= now + LEEWAY_S
    unexpired = now < expires_at + LEEWAY_S
    short_lived = 0 < expires_at - issued_at <= LONGEST_LIFE_S
    named = isinstance(claims.get("sub"), str) and claims["sub"] != ""
    if not (meant_for_us and begun and unexpired and short_lived and named):
        raise refused()


def _moment(value: object) -> float:
    """Seconds since 1970, whole or not; True is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused()
    try:
        return float(value)
    except OverflowError as endless:
        raise refused() from endless
