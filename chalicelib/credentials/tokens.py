"""Signing and verifying the registry's own tokens: ES256, 300 s, one audience, bound to the credential's version.

A token is believed only if its header is, letter for letter, one that this service writes. So neither `alg` nor `jwk`,
`jku`, `x5c` or `crit` of a stranger is ever looked at, and the key is ours by our own id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import jwt

from chalicelib.identity.keyring import Keyring, SigningKey
from chalicelib.kernel.errors import Unauthenticated
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import Role

from .models import Grant, Token
from .remembered import VerifiedToken

LIFETIME_S: Final = 300
ISSUER: Final = "crs"
# Clocks of two gateways may differ by as much.
_LEEWAY_S: Final = 60
# 32 grants with the longest names are some 12 KB.
_LONGEST_TOKEN: Final = 16 * 1024
_REQUIRED: Final = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"]


class Signer:
    def __init__(self, keyring: Keyring) -> None:
        self._signing = keyring.keys[0]
        self._by_header = {_header_segment(key): key for key in keyring.keys}

    def sign(self, instance_id: str, principal: Principal, grants: Sequence[Grant], now: datetime) -> Token:
        issued_at = int(now.timestamp())
        # A token ends with its credential.
        expires_at = min(issued_at + LIFETIME_S, principal.until or issued_at + LIFETIME_S)
        claims = {
            "iss": ISSUER,
            "sub": principal.name,
            "aud": instance_id,
            "exp": expires_at,
            "nbf": issued_at,
            "iat": issued_at,
            "jti": new_id(),
            "kind": principal.kind,
            "version": principal.version,
            **_membership(principal),
            "access": [
                {
                    "type": "repository",
                    "name": str(grant.name),
                    "id": grant.repository_id,
                    "actions": sorted(grant.actions),
                }
                for grant in grants
            ],
        }
        text = jwt.encode(claims, self._signing.private, algorithm="ES256", headers=_header(self._signing))
        return Token(text, now.replace(microsecond=0), expires_at - issued_at, " ".join(str(grant) for grant in grants))

    def verify(self, text: str, now: datetime) -> VerifiedToken:
        """Whoever asks compares the audience. Raises Unauthenticated, always in the same words. Costs about 0.1 ms."""
        key = self._by_header.get(text.partition(".")[0]) if len(text) <= _LONGEST_TOKEN else None
        if key is None:
            raise _refused()
        try:
            claims = jwt.decode(
                text,
                key.public,
                algorithms=["ES256"],
                issuer=ISSUER,
                # Moments are compared below, by the service's own clock; the audience where the instance is known.
                options={
                    "require": _REQUIRED,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                },
            )
            return _read(claims, int(now.timestamp()))
        except (jwt.PyJWTError, ValueError, TypeError, KeyError) as malformed:
            raise _refused() from malformed


def _read(claims: dict[str, Any], now: int) -> VerifiedToken:
    issued_at, not_before, expires_at = (_moment(claims[name]) for name in ("iat", "nbf", "exp"))
    begun = issued_at <= now + _LEEWAY_S and not_before <= now + _LEEWAY_S
    short_lived = 0 < expires_at - issued_at <= LIFETIME_S
    instance_id = claims["aud"]
    if not begun or not short_lived or now >= expires_at or not isinstance(instance_id, str):
        raise _refused()
    grants = frozenset(
        (str(entry["name"]), str(entry["id"]), str(action)) for entry in claims["access"] for action in entry["actions"]
    )
    principal = Principal(
        kind=str(claims["kind"]),
        name=str(claims["sub"]),
        instance_id=instance_id,
        version=int(claims["version"]),
        grants=grants,
        issued_at=issued_at,
        key_id=str(claims.get("key", "")),
        account_id=str(claims.get("account", "")),
        role=Role(claims["role"]) if "role" in claims else None,
    )
    return VerifiedToken(instance_id, principal, expires_at)


def _membership(principal: Principal) -> dict[str, str]:
    """What a token says of an access key's user. Account and role hold for as long as the version does."""
    if not principal.key_id or principal.role is None:
        return {}
    return {"key": principal.key_id, "account": principal.account_id, "role": principal.role.value}


def _moment(value: object) -> int:
    if type(value) is not int:
        raise TypeError("a moment in a token is a whole number of seconds")
    return value


def _refused() -> Unauthenticated:
    return Unauthenticated("the token is not valid here, or not any more; ask for a new one")


def _header(key: SigningKey) -> dict[str, str]:
    return {"alg": "ES256", "kid": key.id, "typ": "JWT"}


def _header_segment(key: SigningKey) -> str:
    """The first part of every token signed with the key."""
    return jwt.encode({}, key.private, algorithm="ES256", headers=_header(key)).partition(".")[0]
