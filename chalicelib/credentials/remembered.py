"""What one process remembers of logins: checked passwords and verified tokens. Every use compares the credential's
version, so that a new password ends all of it at once."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from chalicelib.kernel.principal import Principal

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

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


class Recent(Generic[K, V]):
    """A dictionary that forgets its oldest entry when it is full. Reads take no lock."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[K, V] = {}
        self._lock = threading.Lock()
        self.get = self._held.get

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._held.pop(key, None)
            while len(self._held) >= self._most:
                del self._held[next(iter(self._held))]
            self._held[key] = value
