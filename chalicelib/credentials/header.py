"""The Authorization header. Source: RFC 7617 (Basic), RFC 6750 (Bearer)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from chalicelib.kernel.errors import Unauthenticated


@dataclass(frozen=True, slots=True)
class BasicPair:
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class BearerToken:
    text: str


def parse_authorization(text: str) -> BasicPair | BearerToken:
    """Raises Unauthenticated on anything that is neither, or malformed."""
    scheme, _, rest = text.strip(" ").partition(" ")
    rest = rest.strip(" ")
    if scheme.lower() == "bearer" and rest and rest.isascii():
        return BearerToken(rest)
    if scheme.lower() == "basic":
        return _pair(rest)
    raise Unauthenticated("the Authorization header is neither Basic nor Bearer")


def _pair(encoded: str) -> BasicPair:
    try:
        decoded = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as malformed:
        raise Unauthenticated("the Basic credentials are malformed") from malformed
    username, colon, password = decoded.partition(":")
    if not colon:
        raise Unauthenticated("the Basic credentials are malformed")
    return BasicPair(username, password)
