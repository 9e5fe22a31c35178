"""Items of accounts, users, sessions and access keys."""

from __future__ import annotations

from typing import TypeVar

from chalicelib.ports import keys
from chalicelib.ports.table import Item, Key, Put, Table, Write, absent

from .models import AccessKey, Account, Record, Session, User

R = TypeVar("R", bound=Record)


def _read(table: Table, key: Key, model: type[R]) -> R | None:
    item = table.get(key)
    return None if item is None else model.model_validate(item)


def _item(key: Key, record: Record) -> Item:
    return {**key._asdict(), **record.model_dump()}


def new_account(account: Account) -> list[Write]:
    """Position 0 fails if the name is taken."""
    return [
        Put(_item(keys.account(account.id), account), absent()),
        Put({**keys.listed_account(account.id)._asdict(), "account_id": account.id}),
    ]


def account(table: Table, account_id: str) -> Account | None:
    return _read(table, keys.account(account_id), Account)


def user_item(user: User) -> Item:
    return _item(keys.user(user.account_id, user.username), user)


def user(table: Table, account_id: str, username: str) -> User | None:
    return _read(table, keys.user(account_id, username), User)


def session_item(session_hash: str, session: Session) -> Item:
    return _item(keys.session(session_hash), session)


def session(table: Table, session_hash: str) -> Session | None:
    return _read(table, keys.session(session_hash), Session)


def access_key(table: Table, key_id: str) -> AccessKey | None:
    return _read(table, keys.access_key(key_id), AccessKey)
