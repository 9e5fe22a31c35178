"""The door of the room: accounts, their users, and who sends a request of the management API (G5)."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from chalicelib.identity.service import Identity, hash_password
from chalicelib.kernel.errors import Conflict, NotFound, Unauthenticated
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import TransactionCancelled

from . import store
from .access_keys import AccessKeys, NewAccessKey, is_access_key
from .models import Account, User
from .sessions import Sessions, SignedIn

__all__ = ["Accounts", "is_access_key"]

_LONGEST_TOKEN: Final = 256
_WRONG: Final = "the user name or the password is wrong"


class Accounts:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._identity = Identity(stack)
        self._sessions = Sessions(stack, self._identity)
        self.access_keys = AccessKeys(stack, self._identity)

    def create(self, account_id: str) -> Account:
        """Raises Conflict if the name is taken."""
        account = Account(id=account_id, created_at=self._stack.clock.now())
        try:
            self._stack.table.transact(store.new_account(account))
        except TransactionCancelled as taken:
            raise Conflict(f"an account named {account_id} exists already", account=account_id) from taken
        return account

    def create_user(self, account_id: str, username: str, password: str, role: Role, *, operator: bool = False) -> User:
        """Raises Conflict if the account has a user of that name, NotFound without the account."""
        now = self._stack.clock.now()
        user = User(
            id=new_id(),
            account_id=account_id,
            username=username,
            role=role,
            operator=operator,
            password_hash=hash_password(password),
            version=1 + secrets.randbelow(2**48),
            created_at=now,
            changed_at=now,
        )
        of_account = store.owner_added(account_id) if role is Role.OWNER else store.account_exists(account_id)
        try:
            self._stack.table.transact([store.new_user(user), of_account])
        except TransactionCancelled as cancelled:
            if 0 in cancelled.failed:
                raise Conflict(f"a user named {username} exists already", username=username) from cancelled
            raise NotFound("there is no such account") from cancelled
        return user

    def sign_in(self, account_id: str, username: str, password: str, address: str) -> SignedIn:
        """A session for who knows the password. Raises Unauthenticated, alike for whatever is wrong; Throttled."""
        found: list[User] = []

        def password_hash() -> str | None:
            user = store.user(self._stack.table, account_id, username)
            found.extend([user] if user else [])
            return user.password_hash if user else None

        self._identity.prove(f"account {account_id}", username, password, address, password_hash)
        account = store.account(self._stack.table, account_id)
        if not found or account is None:
            raise Unauthenticated(_WRONG)
        # Of the user as it was when the password was compared: a change since then ends the session before it begins.
        return self._sessions.open(found[0], account)

    def sign_out(self, token: str) -> None:
        """Ends the session at once; nothing for one that is over."""
        self._sessions.close(token)

    def authenticate(self, authorization: str | None, address: str) -> Principal:
        """Who sends this Authorization header to the management API: a session's token or `<key id>.<secret>`.

        Raises Unauthenticated; Throttled for who guesses secrets of access keys.
        """
        scheme, _, token = (authorization or "").strip(" ").partition(" ")
        token = token.strip(" ")
        if scheme.lower() != "bearer" or not token.isascii() or not 0 < len(token) <= _LONGEST_TOKEN:
            raise Unauthenticated("sign in first: POST /api/v1/session, then send Authorization: Bearer <token>")
        key_id, dot, secret = token.partition(".")
        if dot and is_access_key(key_id):
            return self.by_access_key(key_id, secret, address)
        return self._sessions.principal(token)

    def create_access_key(
        self, account_id: str, username: str, remark: str = "", expires_at: datetime | None = None
    ) -> NewAccessKey:
        """For a user of the account. The secret is in the answer and nowhere else. Raises NotFound."""
        return self.access_keys.create(account_id, username, remark, expires_at)

    def by_access_key(self, key_id: str, secret: str, address: str) -> Principal:
        """Who holds the key: `account_id` and `name` of its user, and a version that `access_key_holder` tells too.

        address   of the client, for throttling wrong secrets
        Raises Unauthenticated, in the same words whatever is wrong; Throttled.
        """
        return self.access_keys.verify(key_id, secret, address)

    def access_key_holder(self, key_id: str, *, fresh: bool = False) -> Principal | None:
        """Who holds the key now; None once the key, its user or its account is over, or its time.

        fresh   reads the table itself; else from memory, which forgets at once on one machine, within 5 s on several
        """
        return self.access_keys.holder(key_id, fresh=fresh)

    def access_key_version(self, key_id: str, *, fresh: bool = False) -> int:
        """What a token made with the key must still equal; 0 once the key is over."""
        holder = self.access_key_holder(key_id, fresh=fresh)
        return holder.version if holder else 0
