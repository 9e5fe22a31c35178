"""Checking a user name and a password, seldom by computing a hash.

remembered? ── yes ──► compare the credential's version, done (microseconds)
    │ no
throttled? ── yes ──► 429, nothing computed
    │ no
wait for a place ──► remembered meanwhile? throttled meanwhile? ──► hash (30 ms) ──► remember the verdict

A generated password of 256 bits needs neither: the right one is known by its keyed hash, before anything is throttled,
so that no guesser locks a robot out. A wrong one costs what every wrong password costs, so that none tells a robot.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from chalicelib.identity.keyring import Keyring
from chalicelib.identity.passwords import Desk, is_possible_password, password_bytes
from chalicelib.identity.recent import Recent
from chalicelib.identity.throttle import Throttle
from chalicelib.kernel.errors import Unauthenticated
from chalicelib.kernel.principal import Principal
from chalicelib.ports.stack import Stack

from . import store
from .models import Credential
from .remembered import PAIR_TTL_S, Verdict
from .rules import is_username

# Instance id, user name, fresh → the credential's present version, 0 if there is none.
CurrentVersion = Callable[[str, str, bool], int]


class Logins:
    def __init__(self, stack: Stack, keyring: Keyring, current_version: CurrentVersion) -> None:
        self._stack = stack
        self._keyring = keyring
        self._current_version = current_version
        self._throttle = Throttle(stack)
        self._desk = stack.keep("password desk", Desk)
        self._verdicts: Recent[bytes, Verdict] = stack.keep("login verdicts", lambda: Recent(10_000))

    def recall(self, instance_id: str, username: str, password: str, fresh: bool) -> Principal | None:
        """From memory alone; None if the pair has to be checked. Raises Unauthenticated if it is known to be wrong."""
        if not is_possible_password(password):
            raise Unauthenticated()
        return self._recall(self._digest(instance_id, username, password), instance_id, username, fresh)

    def check(self, instance_id: str, username: str, password: str, address: str, fresh: bool) -> Principal:
        """Blocks for about 30 ms where a hash is needed. Raises Unauthenticated, Throttled, Unavailable."""
        if not is_possible_password(password):
            raise Unauthenticated()
        digest = self._digest(instance_id, username, password)
        recalled = self._recall(digest, instance_id, username, fresh)
        if recalled is not None:
            return recalled
        if not is_username(username):
            raise Unauthenticated()
        robot = self._generated(digest, instance_id, username, password)
        if robot is not None:
            return robot
        self._throttle.attempt(instance_id, username, address)
        with self._desk.turn(digest):
            recalled = self._recall(digest, instance_id, username, fresh)
            if recalled is not None:
                return recalled
            with self._desk.place():
                return self._compute(digest, instance_id, username, password, address)

    def _generated(self, digest: bytes, instance_id: str, username: str, password: str) -> Principal | None:
        """Who holds this generated password; None where it is none."""
        credential = self._live(instance_id, username)
        held = credential.generated_hash if credential else ""
        given = generated_hash(self._keyring, instance_id, username, password)
        if credential is None or not hmac.compare_digest(held, given):
            return None
        until = self._stack.clock.now().timestamp() + PAIR_TTL_S
        self._verdicts.put(digest, Verdict(credential.principal, credential.version, until))
        return credential.principal

    def _compute(self, digest: bytes, instance_id: str, username: str, password: str, address: str) -> Principal:
        attempt = self._throttle.attempt(instance_id, username, address)
        credential = self._live(instance_id, username)
        right = self._desk.matches((credential.password_hash if credential else "") or None, password)
        until = self._stack.clock.now().timestamp() + PAIR_TTL_S
        if credential is None or not right:
            self._verdicts.put(digest, Verdict(None, credential.version if credential else 0, until))
            self._throttle.failed(attempt, digest)
            raise Unauthenticated()
        self._verdicts.put(digest, Verdict(credential.principal, credential.version, until))
        self._throttle.succeeded(attempt)
        return credential.principal

    def _live(self, instance_id: str, username: str) -> Credential | None:
        """From the table; None for one that has ended too."""
        credential = store.load(self._stack.table, instance_id, username)
        now = self._stack.clock.now()
        return credential if credential and (credential.expires_at is None or now < credential.expires_at) else None

    def _recall(self, digest: bytes, instance_id: str, username: str, fresh: bool) -> Principal | None:
        verdict = self._verdicts.get(digest)
        if verdict is None or verdict.until <= self._stack.clock.now().timestamp():
            return None
        if verdict.version != self._current_version(instance_id, username, fresh):
            return None
        if verdict.principal is None:
            raise Unauthenticated()
        return verdict.principal

    def _digest(self, instance_id: str, username: str, password: str) -> bytes:
        # An id has one length and the user name's is told, so that no other triple reads the same.
        return self._keyring.keyed_hash(b"pair", password_bytes(f"{instance_id}{len(username)}:{username}{password}"))


def generated_hash(keyring: Keyring, instance_id: str, username: str, password: str) -> str:
    """What is stored of a generated password."""
    return keyring.keyed_hash(
        b"generated password", instance_id.encode(), username.encode(), password_bytes(password)
    ).hex()
