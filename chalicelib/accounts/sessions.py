"""Sessions: what a sign-in opens. The table knows a session by a keyed hash of its token, never by the token.

A session ends when its time is over, by signing out, and at once with any change of its user's password or role, with
the user, or with the suspension of the account: it stands for one version of each.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chalicelib.identity.service import Identity
from chalicelib.kernel.errors import Denied, Unauthenticated
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack

from . import store
from .models import Account, Session, User

# A working day: people sign in once a morning.
SESSION_LIFE: Final = timedelta(hours=12)
_PREFIX: Final = "crs_"
_OVER: Final = "the session is over; sign in again"


@dataclass(frozen=True, slots=True)
class SignedIn:
    token: str
    expires_at: datetime
    principal: Principal
    role: Role


class Sessions:
    def __init__(self, stack: Stack, identity: Identity) -> None:
        self._stack = stack
        self._identity = identity

    def open(self, user: User, account: Account) -> SignedIn:
        """For a user who proved to be it. Raises Denied where the account is suspended."""
        if account.state != "running":
            raise Denied(f"account {account.id} is suspended; ask the operator of this service")
        token = _PREFIX + secrets.token_urlsafe(32)
        now = self._stack.clock.now()
        expires_at = now + SESSION_LIFE
        session = Session(
            account_id=user.account_id,
            username=user.username,
            user_version=user.version,
            account_version=account.version,
            created_at=now,
            expires=int(expires_at.timestamp()),
        )
        write = store.new_session(self.hash(token), session)
        self._stack.table.put(write.item, write.when)
        return SignedIn(token, expires_at, principal_of(user), user.role)

    def principal(self, token: str) -> Principal:
        """Whose session it is. Raises Unauthenticated."""
        session = store.session(self._stack.table, self.hash(token))
        if session is None or session.expires <= self._stack.clock.now().timestamp():
            raise Unauthenticated(_OVER)
        user, account = store.user_and_account(self._stack.table, session.account_id, session.username)
        if user is None or account is None or account.state != "running":
            raise Unauthenticated(_OVER)
        if (session.user_version, session.account_version) != (user.version, account.version):
            raise Unauthenticated(_OVER)
        return principal_of(user)

    def close(self, token: str) -> None:
        self._stack.table.delete(keys.session(self.hash(token)))

    def hash(self, token: str) -> str:
        return self._identity.keyring.keyed_hash(b"session", token.encode()).hex()


def principal_of(user: User) -> Principal:
    return Principal(
        kind="user",
        name=user.username,
        version=user.version,
        account_id=user.account_id,
        role=user.role,
        operator=user.operator,
    )
