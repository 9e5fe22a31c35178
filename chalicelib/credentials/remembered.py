"""What one process remembers of logins: checked passwords and verified tokens. Every use compares the credential's
version, so that a new password ends all of it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chalicelib.kernel.principal import Principal

# R2: a verified pair is remembered this long.
PAIR_TTL_S: Final = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """On a user name and a password. principal: None for a wrong password; version: of the credential it was compared
    with, 0 if there was none; until: seconds since 1970."""

    principal: Principal | None
    version: int
    until: float


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """instance_id: whose audience it has; until: its expiry, seconds since 1970."""

    instance_id: str
    principal: Principal
    until: int
