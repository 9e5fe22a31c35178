"""The door of the room: accounts, their users, and who sends a request of the management API (G5)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chalicelib.identity.service import Identity, hash_password
from chalicelib.kernel.errors import Conflict, Unauthenticated
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, TransactionCancelled, absent

from . import store
from .models import Account, Session, User

# A working day: people sign in once a morning.
SESSION_LIFE: Final = timedelta(hours=12)
_SESSION_PREFIX: Final = "crs_"
_LONGEST_TOKEN: Final = 256


@dataclass(frozen=True, slots=True)
class SignedIn:
    token: str
    expires_at: datetime
    principal: Principal
    role: Role


class Accounts:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._identity = Identity(stack)

    def create(self, account_id: str) -> Account:
        """Raises Conflict if the name is taken."""
        account = Account(id=account_id, created_at=self._stack.clock.now())
        try:
            self._stack.table.transact(store.new_account(account))
        except TransactionCancelled as taken:
            raise Conflict(f"an account named {account_id} exists already", account=account_id) from taken
        return account

    def create_user(self, account_id: str, username: str, password: str, role: Role, *, operator: bool = False) -> User:
        """Raises Conflict if the account has a user of that name."""
        now = self._stack.clock.now()
        user = User(
            account_id=account_id,
            username=username,
            role=role,
            operator=operator,
            password_hash=hash_password(password),
            version=1 + secrets.randbelow(2**48),
            created_at=now,
            changed_at=now,
        )
        try:
            self._stack.table.put(store.user_item(user), absent())
        except ConditionFailed as taken:
            raise Conflict(f"a user named {username} exists already", username=username) from taken
        return user

    def sign_in(self, account_id: str, username: str, password: str, address: str) -> SignedIn:
        """A session for who knows the password. Raises Unauthenticated, alike for whatever is wrong; Throttled."""

        def password_hash() -> str | None:
            user = store.user(self._stack.table, account_id, username)
            return user.password_hash if user else None

        self._identity.prove(f"account {account_id}", username, password, address, password_hash)
        user = store.user(self._stack.table, account_id, username)
        if user is None:
            raise Unauthenticated("the user name or the password is wrong")
        return self._open(user)

    def sign_out(self, token: str) -> None:
        """Ends the session at once; nothing for one that is over."""
        self._stack.table.delete(keys.session(self._session_hash(token)))

    def authenticate(self, authorization: str | None) -> Principal:
        """Who sends this Authorization header to the management API. Raises Unauthenticated."""
        scheme, _, token = (authorization or "").strip(" ").partition(" ")
        token = token.strip(" ")
        if scheme.lower() != "bearer" or not token.isascii() or not 0 < len(token) <= _LONGEST_TOKEN:
            raise Unauthenticated("sign in first: POST /api/v1/session, then send Authorization: Bearer <token>")
        session = store.session(self._stack.table, self._session_hash(token))
        user = store.user(self._stack.table, session.account_id, session.username) if session else None
        now = self._stack.clock.now().timestamp()
        if session is None or user is None or session.expires <= now or session.user_version != user.version:
            raise Unauthenticated("the session is over; sign in again")
        return _principal(user)

    def _open(self, user: User) -> SignedIn:
        token = _SESSION_PREFIX + secrets.token_urlsafe(32)
        now = self._stack.clock.now()
        expires_at = now + SESSION_LIFE
        session = Session(
            account_id=user.account_id,
            username=user.username,
            user_version=user.version,
            created_at=now,
            expires=int(expires_at.timestamp()),
        )
        self._stack.table.put(store.session_item(self._session_hash(token), session), absent())
        return SignedIn(token, expires_at, _principal(user), user.role)

    def _session_hash(self, token: str) -> str:
        return self._identity.keyring.keyed_hash(b"session", token.encode()).hex()


def _principal(user: User) -> Principal:
    return Principal(
        kind="user",
        name=user.username,
        version=user.version,
        account_id=user.account_id,
        role=user.role,
        operator=user.operator,
    )
