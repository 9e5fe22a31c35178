"""People's passwords: which may be chosen, and comparing them a few at a time, as a storm of logins must leave the
processors to the pulls."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Final

from chalicelib.kernel.errors import Unavailable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

# Longer ones are refused before they cost a hash.
LONGEST_PASSWORD_BYTES: Final = 1024
SHORTEST_PASSWORD_BYTES: Final = 12
# What is left of a password without the user name, and without what stands in every guesser's first thousand.
_FEWEST_OWN_BYTES: Final = 8
_FEWEST_OWN_LETTERS: Final = 4
_FEWEST_DIFFERENT: Final = 5
# A shorter user name is in many a word by chance.
_SHORTEST_NAME: Final = 3
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_COMMONEST: Final = re.compile(
    "|".join(
        (
            "administrator|admin|root|superuser|user|guest|login|default|registry|docker|container|service|server",
            "password|passwort|passwd|passw0rd|p@ssw0rd|p@ssword|pa55word|secret|letmein|changeme|welcome|access",
            "iloveyou|sunshine|princess|football|baseball|superman|batman|dragon|monkey|shadow|master|michael|charlie",
            "qwertyuiop|qwertzuiop|azertyuiop|qwerty|qwertz|azerty|asdfghjkl|asdfgh|asdf|zxcvbnm|yxcvbnm|zxcvbn|qazwsx",
            "abcdefghijklm|nopqrstuvwxyz|abcdefgh|abcdef|abcd|abc|test|trustno1|hello|please|temp|summer|winter|spring",
        )
    )
)
# The hash of a random password that nobody knows any more. A user name that does not exist is checked against it, so
# that neither time nor answer tells it from a wrong password.
_NOBODY: Final = "$argon2id$v=19$m=19456,t=2,p=1$4ZeofBu5T8XM0utrwbxINA$UuTlXhsLavO6Ah1+IcuvznOMNJvbDZuk/5PWLdU6Dto"

MOST_AT_ONCE: Final = 2
# Who waits holds one of the worker threads that pushes need too, so only so many may; it takes 0.2 s even then.
_MOST_WAITING: Final = 10
_LONGEST_WAIT_S: Final = 5.0


class _Turn:
    """Whose turn it is with one pair, and how many want it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wanted = 0


class Desk:
    """Where passwords are compared: two at once, a queue, and beyond it nobody.

    compared   how many comparisons were paid for in this process
    """

    def __init__(self) -> None:
        self.compared = 0
        self._counting = threading.Lock()
        self._places = threading.Semaphore(MOST_AT_ONCE)
        self._door = threading.Semaphore(MOST_AT_ONCE + _MOST_WAITING)
        self._turns: dict[bytes, _Turn] = {}

    def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the hash's; without a hash it takes as long and is no."""
        with self._counting:
            self.compared += 1
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            _hasher().verify(password_hash or _NOBODY, password_bytes(password))
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None

    @contextmanager
    def turn(self, pair: bytes) -> Iterator[None]:
        """One after another for the same pair: when a fleet comes back at once, the first pays, the rest are told."""
        with self._counting:
            turn = self._turns.setdefault(pair, _Turn())
            turn.wanted += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._counting:
                turn.wanted -= 1
                if not turn.wanted:
                    del self._turns[pair]

    @contextmanager
    def place(self) -> Iterator[None]:
        """Holds a place while the body runs. Raises Unavailable where too many wait already."""
        if not self._door.acquire(blocking=False):
            raise Unavailable("too many logins at once; try again", retry_after_s=2)
        try:
            if not self._places.acquire(timeout=_LONGEST_WAIT_S):
                raise Unavailable("too many logins at once; try again", retry_after_s=2)
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._door.release()


def is_possible_password(text: str) -> bool:
    """Whether the text may be hashed at all."""
    if len(text) * 4 <= LONGEST_PASSWORD_BYTES:
        return bool(text)
    return len(text) <= LONGEST_PASSWORD_BYTES and len(password_bytes(text)) <= LONGEST_PASSWORD_BYTES


def password_bytes(text: str) -> bytes:
    """What is hashed. Lone surrogates, which JSON can carry, are bytes like any other."""
    return text.encode("utf-8", "surrogatepass")


@cache
def _hasher() -> PasswordHasher:
    """OWASP's second choice of parameters for argon2id: 19 MiB, two passes, one lane; 30 ms on one core."""
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    return _hasher().hash(password_bytes(password))


def weakness(password: str, username: str = "") -> str:
    """What is wrong with a password that a person chose, "" if nothing is. Says nothing of generated ones.

    Length is what counts; beside it only what guessers try first is refused.
    Source: NIST SP 800-63B-4, section 3.1.1.
    """
    size = len(password_bytes(password[: LONGEST_PASSWORD_BYTES + 1]))
    if not SHORTEST_PASSWORD_BYTES <= size <= LONGEST_PASSWORD_BYTES:
        return f"a password has {SHORTEST_PASSWORD_BYTES}–{LONGEST_PASSWORD_BYTES} bytes"
    lowered = password.casefold()
    rest = lowered.replace(username.casefold(), "") if len(username) >= _SHORTEST_NAME else lowered
    if len(rest) < _FEWEST_OWN_BYTES and rest != lowered:
        return "a password is more than the user name with something added"
    if len(set(lowered)) < _FEWEST_DIFFERENT or (lowered + lowered).find(lowered, 1) < len(lowered):
        return "a password does not repeat one short piece"
    own = _LETTERS.findall(_COMMONEST.sub(" ", rest))
    if sum(len(piece) for piece in own) < _FEWEST_OWN_LETTERS:
        return "a password is more than the commonest words, rows of keys and digits"
    return ""
