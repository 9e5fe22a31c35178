"""The door of the room: whether somebody who names a login knows its secret, without helping who guesses."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.kernel.errors import Unauthenticated
from chalicelib.ports.stack import Stack

from .keyring import Keyring, keyring_of
from .passwords import Desk, hash_password, is_possible_password, password_bytes, weakness
from .throttle import Throttle

__all__ = ["Identity", "hash_password", "weakness"]


class Identity:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.keyring: Keyring = keyring_of(stack)
        self.throttle = Throttle(stack)
        self.desk: Desk = stack.keep("password desk", Desk)

    def prove(self, scope: str, login: str, password: str, address: str, load_hash: Callable[[], str | None]) -> None:
        """Returns if the password is the login's.

        scope       what the login is unique in: an instance's id, or an account
        load_hash   the login's password hash, None for a login that does not exist; both take as long
        Raises Unauthenticated, always in the same words; Throttled; Unavailable where too many wait.
        """
        if not is_possible_password(password):
            raise Unauthenticated("the user name or the password is wrong")
        digest = self.keyring.keyed_hash(b"sign-in", password_bytes(f"{scope}{len(login)}:{login}{password}"))
        self.throttle.attempt(scope, login, address)
        with self.desk.turn(digest), self.desk.place():
            attempt = self.throttle.attempt(scope, login, address)
            if self.desk.matches(load_hash(), password):
                self.throttle.succeeded(attempt)
                return
            self.throttle.failed(attempt, digest)
        raise Unauthenticated("the user name or the password is wrong")
