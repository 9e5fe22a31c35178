"""The people of an account. It keeps at least one owner, whoever changes or deletes whom at the same moment:

user changed or deleted ┐
                        ├ one transaction, which fails where the account would have no owner left
account's count − 1     ┘
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from chalicelib.identity.passwords import weakness
from chalicelib.identity.service import Identity, hash_password
from chalicelib.kernel.errors import Conflict, Denied, Invalid, NotFound, Unauthenticated
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.paging import Page
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import TransactionCancelled, Write

from . import store
from .access_keys import AccessKeys
from .models import User, is_username

_MISSING: Final = "there is no such user"


class Users:
    def __init__(self, stack: Stack, identity: Identity, access_keys: AccessKeys) -> None:
        self._stack = stack
        self._identity = identity
        self._access_keys = access_keys

    def create(self, user: User) -> User:
        """Raises Conflict if the account has a user of that name, NotFound without the account."""
        is_owner = user.role is Role.OWNER
        of_account = store.owner_added(user.account_id) if is_owner else store.account_exists(user.account_id)
        try:
            self._stack.table.transact([store.new_user(user), of_account])
        except TransactionCancelled as cancelled:
            if 0 in cancelled.failed:
                taken = f"a user named {user.username} exists already"
                raise Conflict(taken, username=user.username) from cancelled
            raise NotFound("there is no such account") from cancelled
        return user

    def get(self, account_id: str, username: str) -> User:
        """Raises NotFound."""
        user = store.user(self._stack.table, account_id, username) if is_username(username) else None
        if user is None:
            raise NotFound(_MISSING)
        return user

    def page(
        self, account_id: str, search: str, cursor: str | None, limit: int, *, descending: bool = False
    ) -> Page[User]:
        """By name. search: text that the name holds. Raises Invalid naming `cursor`."""
        if not search:
            return store.users(self._stack.table, account_id, cursor, limit, descending=descending)
        if cursor is not None and not is_username(cursor):
            raise Invalid("cursor", "is not `next` of a page of this list")
        return store.users_found(self._stack.table, account_id, search, cursor, limit, descending=descending)

    def change(self, by: Principal, username: str, role: Role | None, password: str | None) -> User:
        """Another user's role and password, in the account of who asks; a change ends the user's sessions.

        Raises NotFound; Invalid naming `password`; Denied for an operator's user; Conflict where no owner would be
        left, or if somebody else changed the user meanwhile.
        """
        seen = self.get(by.account_id, username)
        if seen.operator and not by.operator:
            raise Denied("this user operates the service; only an operator may change or delete it")
        if password is not None and username == by.name:
            raise Invalid("password", "change your own password at /me, which asks for the present one")
        changes: dict[str, object] = {}
        if role is not None and role is not seen.role:
            changes["role"] = role
        if password is not None:
            changes["password_hash"] = chosen(username, password)
        return self._write(seen, changes) if changes else seen

    def set_password(self, account_id: str, username: str, password: str) -> User:
        """For the operator's own tools. Raises NotFound, Invalid naming `password`, Conflict."""
        return self._write(self.get(account_id, username), {"password_hash": chosen(username, password)})

    def set_password_hash(self, account_id: str, username: str, password_hash: str) -> User:
        return self._write(self.get(account_id, username), {"password_hash": password_hash})

    def change_own_password(self, by: Principal, session_hash: str, present: str, new: str, address: str) -> None:
        """Ends all sessions of the user but this one.

        Raises Invalid naming `current_password` or `password`; Throttled; Unauthenticated if the session is over.
        """
        seen = self.get(by.account_id, by.name)
        try:
            self._identity.prove(f"account {by.account_id}", by.name, present, address, lambda: seen.password_hash)
        except Unauthenticated as wrong:
            raise Invalid("current_password", "is not your password") from wrong
        if new == present:
            raise Invalid("password", "is the one you have already")
        changed = self._changed(seen, {"password_hash": chosen(by.name, new)})
        kept = store.session_kept(session_hash, changed.version)
        try:
            self._stack.table.transact([store.changed_user(seen, changed), kept])
        except TransactionCancelled as moved:
            raise Unauthenticated("the session is over; sign in again") from moved

    def delete(self, by: Principal, username: str) -> None:
        """With sessions and access keys, which are dead as soon as the user is. Raises NotFound, Denied, Conflict."""
        try:
            seen = self.get(by.account_id, username)
        except NotFound:
            # What a deletion that was interrupted left.
            if is_username(username):
                self._access_keys.delete_all(by.account_id, username)
            raise
        if seen.operator and not by.operator:
            raise Denied("this user operates the service; only an operator may change or delete it")
        writes: list[Write] = [store.deleted_user(seen)]
        if seen.role is Role.OWNER:
            writes.append(store.owner_removed(seen.account_id))
        self._transact(writes)
        self._access_keys.delete_all(seen.account_id, username)

    def _changed(self, seen: User, changes: dict[str, object]) -> User:
        more = {"version": seen.version + 1, "changed_at": self._stack.clock.now()}
        return User.model_validate({**seen.model_dump(), **changes, **more})

    def _write(self, seen: User, changes: dict[str, object]) -> User:
        changed = self._changed(seen, changes)
        writes: list[Write] = [store.changed_user(seen, changed)]
        if changed.role is not seen.role and Role.OWNER in (changed.role, seen.role):
            promoted = changed.role is Role.OWNER
            writes.append(store.owner_added(seen.account_id) if promoted else store.owner_removed(seen.account_id))
        self._transact(writes)
        return changed

    def _transact(self, writes: list[Write]) -> None:
        try:
            self._stack.table.transact(writes)
        except TransactionCancelled as cancelled:
            if 0 not in cancelled.failed:
                raise Conflict("the account's last owner stays an owner; make another one first") from cancelled
            if cancelled.failed[0] is None:
                raise NotFound(_MISSING) from cancelled
            raise Conflict("the user was changed by somebody else meanwhile; look again") from cancelled


def new_user(
    account_id: str, username: str, password_hash: str, role: Role, now: datetime, *, operator: bool = False
) -> User:
    return User(
        id=new_id(),
        account_id=account_id,
        username=username,
        role=role,
        operator=operator,
        password_hash=password_hash,
        version=1 + secrets.randbelow(2**48),
        created_at=now,
        changed_at=now,
    )


def chosen(username: str, password: str) -> str:
    """The hash of a password that a person chose. Raises Invalid naming `password`."""
    wrong = weakness(password, username)
    if wrong:
        raise Invalid("password", wrong)
    return hash_password(password)
