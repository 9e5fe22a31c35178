"""Access keys: how programs say who they are. A 256-bit secret needs no slow hash, only a keyed one.

`Authorization: Bearer <key id>.<secret>` at the management API; at the registry the key id is the user name and the
secret the password. A right secret is never throttled; wrong ones are, like passwords.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chalicelib.identity.service import Identity
from chalicelib.kernel.errors import Conflict, Invalid, NotFound, Unauthenticated
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.paging import Page, every
from chalicelib.kernel.principal import Principal
from chalicelib.ports.memory import Knowledge
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Item, Key, TransactionCancelled

from . import store
from .models import AccessKey, Account, User

PREFIX: Final = "AK"
_THROTTLED_AS: Final = "access keys"
_LONGEST_SECRET: Final = 128
_WRONG: Final = "the access key or its secret is wrong, or the key is over"
_MISSING: Final = "there is no such access key"


@dataclass(frozen=True, slots=True)
class NewAccessKey:
    """secret: known to nobody afterwards."""

    key: AccessKey
    secret: str


@dataclass(frozen=True, slots=True)
class _Held:
    """What the table says of a key, without regard to the time."""

    key: AccessKey
    user: User
    account: Account

    def holder(self, now: datetime) -> Principal | None:
        """Who holds the key now; None once it is over."""
        key, user = self.key, self.user
        expired = key.expires_at is not None and key.expires_at <= now
        same_life = key.user_id == user.id
        if expired or not same_life or not key.enabled or self.account.state != "running":
            return None
        # Each of the three only ever rises, so that their sum changes with any of them.
        version = key.version + user.version + self.account.version
        return Principal(
            kind="access_key",
            name=user.username,
            version=version,
            account_id=user.account_id,
            role=user.role,
            operator=user.operator,
            until=int(key.expires_at.timestamp()) if key.expires_at else 0,
        )


def is_access_key(text: str) -> bool:
    """Whether a user name or the first part of a token has the shape of an access key's id."""
    return text.startswith(PREFIX) and is_id(text[len(PREFIX) :])


def _remembered_as(key_id: str) -> Hashable:
    return "access key", key_id


class AccessKeys:
    def __init__(self, stack: Stack, identity: Identity) -> None:
        self._stack = stack
        self._identity = identity

    def create(self, account_id: str, username: str, remark: str, expires_at: datetime | None) -> NewAccessKey:
        user = store.user(self._stack.table, account_id, username)
        if user is None:
            raise NotFound("there is no such user")
        now, secret, key_id = self._stack.clock.now(), secrets.token_urlsafe(32), PREFIX + new_id()
        key = AccessKey(
            id=key_id,
            account_id=account_id,
            username=username,
            user_id=user.id,
            secret_hash=self._hash(key_id, secret),
            version=1 + secrets.randbelow(2**48),
            remark=remark,
            created_at=now,
            changed_at=now,
            expires_at=expires_at,
        )
        try:
            self._stack.table.transact([*store.new_access_key(key), store.user_is(user)])
        except TransactionCancelled as gone:
            raise NotFound("there is no such user") from gone
        return NewAccessKey(key, secret)

    def verify(self, key_id: str, secret: str, address: str) -> Principal:
        """Who holds the key. Raises Unauthenticated, in the same words whatever is wrong; Throttled."""
        if not is_access_key(key_id) or not 0 < len(secret) <= _LONGEST_SECRET or not secret.isascii():
            raise Unauthenticated(_WRONG)
        held = self._load(key_id)
        secret_hash = self._hash(key_id, secret)
        if hmac.compare_digest(secret_hash, held.key.secret_hash if held else ""):
            holder = held.holder(self._stack.clock.now()) if held else None
            if holder is None:
                raise Unauthenticated(_WRONG)
            return holder
        attempt = self._identity.throttle.attempt(_THROTTLED_AS, key_id, address)
        self._identity.throttle.failed(attempt, bytes.fromhex(secret_hash))
        raise Unauthenticated(_WRONG)

    def holder(self, key_id: str, *, fresh: bool) -> Principal | None:
        """Who holds the key now, without its secret; from memory unless fresh."""
        if not is_access_key(key_id):
            return None
        if fresh:
            held = self._load(key_id)
        else:
            held = self._stack.memory.get(_remembered_as(key_id), lambda: self._load(key_id))
        return held.holder(self._stack.clock.now()) if held else None

    def knowledge(self, key_id: str, account_id: str, username: str) -> Knowledge[_Held]:
        """What `holder` asks of memory, if the key is this user's; else nothing is remembered and `holder` looks."""
        items = store.access_key_items(key_id, account_id, username)

        def made(found: Mapping[Key, Item]) -> _Held:
            parts = store.held_access_key(found, items, account_id, username)
            if parts is None:
                raise NotFound(_MISSING)
            return _Held(*parts)

        return Knowledge(_remembered_as(key_id), items, made)

    def get(self, account_id: str, key_id: str) -> AccessKey:
        """Raises NotFound."""
        key = store.access_key(self._stack.table, account_id, key_id) if is_access_key(key_id) else None
        if key is None:
            raise NotFound(_MISSING)
        return key

    def page(
        self,
        account_id: str,
        username: str,
        cursor: str | None,
        limit: int,
        *,
        search: str = "",
        descending: bool = False,
    ) -> Page[AccessKey]:
        """Of one user, or with "" of the whole account, in the order in which they were made. search: text that id,
        user or remark holds. Raises Invalid naming `cursor`."""
        table = self._stack.table
        if not username and not search:
            return store.access_keys(table, account_id, cursor, limit, descending=descending)
        if cursor is not None and not is_access_key(cursor):
            raise Invalid("cursor", "is not `next` of a page of this list")
        return store.access_keys_of(table, account_id, username, search, cursor, limit, descending=descending)

    def change(self, seen: AccessKey, **changes: object) -> AccessKey:
        """Raises Conflict if somebody else changed it meanwhile, NotFound if it is gone."""
        more = {"version": seen.version + 1, "changed_at": self._stack.clock.now()}
        key = AccessKey.model_validate({**seen.model_dump(), **changes, **more})
        write = store.changed_access_key(seen, key)
        try:
            self._stack.table.put(write.item, write.when)
        except ConditionFailed as moved:
            if moved.item is None:
                raise NotFound(_MISSING) from moved
            raise Conflict("the access key was changed by somebody else meanwhile; look again") from moved
        return key

    def delete(self, account_id: str, key_id: str) -> None:
        self._stack.table.transact(store.no_access_key(account_id, key_id))

    def delete_all(self, account_id: str, username: str) -> None:
        """Those of a user who is gone. They are dead already; may be repeated."""
        for key in every(lambda cursor: self.page(account_id, username, cursor, 100)):
            user = store.user(self._stack.table, account_id, username)
            if user is None or key.user_id != user.id:
                self.delete(account_id, key.id)

    def _load(self, key_id: str) -> _Held | None:
        account_id = store.account_of_access_key(self._stack.table, key_id)
        key = None if account_id is None else store.access_key(self._stack.table, account_id, key_id)
        if key is None:
            return None
        user, account = store.user_and_account(self._stack.table, key.account_id, key.username)
        return _Held(key, user, account) if user and account else None

    def _hash(self, key_id: str, secret: str) -> str:
        return self._identity.keyring.keyed_hash(b"access key", key_id.encode(), secret.encode()).hex()
