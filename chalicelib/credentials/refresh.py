"""Refresh tokens: what `docker login` may keep in place of the password. Ends with the credential's version."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ValidationError

from chalicelib.identity.keyring import Keyring
from chalicelib.kernel.errors import Unauthenticated
from chalicelib.kernel.modelling import GIVEN
from chalicelib.kernel.principal import Principal

LIFETIME: Final = timedelta(days=30)
_PURPOSE: Final = b"refresh"
_LONGEST: Final = 1024


class Claim(BaseModel):
    """What a refresh token says. username: as it logs in, of an access key its id; issued_at: seconds since 1970."""

    model_config = GIVEN

    instance_id: str
    username: str
    version: int
    issued_at: int


def write(keyring: Keyring, principal: Principal, now: datetime) -> str:
    """`<claim>.<keyed hash>`, both in URL-safe base 64."""
    claim = Claim(
        instance_id=principal.instance_id,
        username=principal.key_id or principal.name,
        version=principal.version,
        issued_at=int(now.timestamp()),
    )
    body = claim.model_dump_json().encode()
    return f"{_text(body)}.{_text(keyring.keyed_hash(_PURPOSE, body))}"


def read(keyring: Keyring, instance_id: str, text: str, now: datetime) -> Claim:
    """The claim of a token of ours for this instance. Raises Unauthenticated."""
    body_text, _, hash_text = text.partition(".") if len(text) <= _LONGEST else ("", "", "")
    try:
        body = base64.b64decode(body_text, altchars=b"-_", validate=True)
        signature = base64.b64decode(hash_text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as malformed:
        raise refused() from malformed
    if not hmac.compare_digest(signature, keyring.keyed_hash(_PURPOSE, body)):
        raise refused()
    try:
        claim = Claim.model_validate_json(body)
    except ValidationError as malformed:
        raise refused() from malformed
    age = timedelta(seconds=int(now.timestamp()) - claim.issued_at)
    if claim.instance_id != instance_id or age >= LIFETIME:
        raise refused()
    return claim


def refused() -> Unauthenticated:
    return Unauthenticated("the refresh token is not valid here, or not any more; log in again")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii")
