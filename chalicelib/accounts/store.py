"""Items of accounts, users, sessions and access keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.passes import rows_wanted
from chalicelib.ports.table import (
    Check,
    Delete,
    Item,
    Key,
    Put,
    Table,
    Update,
    Write,
    absent,
    at_least,
    equals,
    present,
)

from .models import AccessKey, Account, Record, Session, User

R = TypeVar("R", bound=Record)
_USER: Final = keys.user("", "").sk
_KEY: Final = keys.account_access_key("", "").sk


def _item(key: Key, record: Record) -> Item:
    return {**key._asdict(), **record.model_dump()}


def _as(item: Item | None, model: type[R]) -> R | None:
    return None if item is None else model.model_validate(item)


def _page(
    table: Table, account_id: str, prefix: str, model: type[R], cursor: str | None, limit: int, *, descending: bool
) -> Page[R]:
    pk = keys.account_partition(account_id)
    return table.query(pk, prefix=prefix, cursor=cursor, limit=limit, descending=descending).map(model.model_validate)


# Accounts ----------------------------------------------------------------------------------------------------------


def new_account(account: Account) -> list[Write]:
    """Position 0 fails if the name is taken."""
    return [
        Put(_item(keys.account(account.id), account), absent()),
        Put({**keys.listed_account(account.id)._asdict(), "account_id": account.id}),
    ]


def account(table: Table, account_id: str) -> Account | None:
    return _as(table.get(keys.account(account_id)), Account)


def accounts(table: Table, cursor: str | None, limit: int, *, descending: bool) -> Page[Account]:
    return _listed(table, table.query(keys.ACCOUNTS, cursor=cursor, limit=limit, descending=descending))


def accounts_found(table: Table, search: str, after: str | None, limit: int, *, descending: bool) -> Page[Account]:
    """Those whose name holds the text, by a bounded pass. after: the name it goes on from."""

    def wanted(item: Item) -> bool:
        return search.lower() in str(item["account_id"])

    return _listed(table, rows_wanted(table, keys.listed_account(""), wanted, after, limit, descending=descending))


def _listed(table: Table, page: Page[Item]) -> Page[Account]:
    wanted = [keys.account(item["account_id"]) for item in page.items]
    held = table.get_many(wanted)
    return Page(tuple(Account.model_validate(held[key]) for key in wanted if key in held), page.next)


def change_account(table: Table, account_id: str, changes: Item, *, ends_sessions: bool) -> Account:
    """Raises ConditionFailed where there is no such account."""
    add = {"version": 1} if ends_sessions else {}
    change = Update(keys.account(account_id), set=changes, add=add, when=present())
    return Account.model_validate(table.update(change))


def account_exists(account_id: str) -> Check:
    return Check(keys.account(account_id), present())


def owner_added(account_id: str) -> Update:
    return Update(keys.account(account_id), add={"owners": 1}, when=present())


def owner_removed(account_id: str) -> Update:
    """Fails where it would be the last."""
    return Update(keys.account(account_id), add={"owners": -1}, when=at_least("owners", 2))


# Users -------------------------------------------------------------------------------------------------------------


def new_user(user: User) -> Put:
    """Fails if the account has a user of that name."""
    return Put(_item(keys.user(user.account_id, user.username), user), absent())


def changed_user(seen: User, user: User) -> Put:
    """Fails if somebody changed the user since it was seen."""
    return Put(_item(keys.user(user.account_id, user.username), user), equals("version", seen.version))


def deleted_user(seen: User) -> Delete:
    """Fails if somebody changed the user since it was seen."""
    return Delete(keys.user(seen.account_id, seen.username), equals("version", seen.version))


def user_is(user: User) -> Check:
    """This life of the user goes on."""
    return Check(keys.user(user.account_id, user.username), equals("id", user.id))


def user(table: Table, account_id: str, username: str) -> User | None:
    return _as(table.get(keys.user(account_id, username)), User)


def users(table: Table, account_id: str, cursor: str | None, limit: int, *, descending: bool) -> Page[User]:
    return _page(table, account_id, _USER, User, cursor, limit, descending=descending)


def users_found(
    table: Table, account_id: str, search: str, after: str | None, limit: int, *, descending: bool
) -> Page[User]:
    """Those whose name holds the text, in any case, by a bounded pass. after: the user name it goes on from."""

    def wanted(item: Item) -> bool:
        return search.lower() in str(item["username"]).lower()

    found = rows_wanted(table, keys.user(account_id, ""), wanted, after, limit, descending=descending)
    return found.map(User.model_validate)


def user_and_account(table: Table, account_id: str, username: str) -> tuple[User | None, Account | None]:
    """In one read."""
    user_key, account_key = keys.user(account_id, username), keys.account(account_id)
    held = table.get_many([user_key, account_key])
    return _as(held.get(user_key), User), _as(held.get(account_key), Account)


# Sessions ----------------------------------------------------------------------------------------------------------


def new_session(session_hash: str, session: Session) -> Put:
    return Put(_item(keys.session(session_hash), session), absent())


def session_kept(session_hash: str, user_version: int) -> Update:
    """The session lives on through a change of its user. Fails if it is over."""
    return Update(keys.session(session_hash), set={"user_version": user_version}, when=present())


def session(table: Table, session_hash: str) -> Session | None:
    return _as(table.get(keys.session(session_hash)), Session)


# Access keys -------------------------------------------------------------------------------------------------------


def new_access_key(key: AccessKey) -> list[Write]:
    return [
        Put(_item(keys.account_access_key(key.account_id, key.id), key), absent()),
        Put({**keys.access_key(key.id)._asdict(), "account_id": key.account_id}, absent()),
    ]


def changed_access_key(seen: AccessKey, key: AccessKey) -> Put:
    """Fails if somebody changed or deleted the key since it was seen."""
    return Put(_item(keys.account_access_key(key.account_id, key.id), key), equals("version", seen.version))


def no_access_key(account_id: str, key_id: str) -> list[Write]:
    return [Delete(keys.account_access_key(account_id, key_id)), Delete(keys.access_key(key_id))]


def account_of_access_key(table: Table, key_id: str) -> str | None:
    pointer = table.get(keys.access_key(key_id))
    return None if pointer is None else str(pointer["account_id"])


def access_key(table: Table, account_id: str, key_id: str) -> AccessKey | None:
    return _as(table.get(keys.account_access_key(account_id, key_id)), AccessKey)


def access_key_items(key_id: str, account_id: str, username: str) -> tuple[Key, ...]:
    """The pointer, the key, its user and its account."""
    key = keys.account_access_key(account_id, key_id)
    return keys.access_key(key_id), key, keys.user(account_id, username), keys.account(account_id)


def held_access_key(
    found: Mapping[Key, Item], items: tuple[Key, ...], account_id: str, username: str
) -> tuple[AccessKey, User, Account] | None:
    """Out of `access_key_items`; None where something is missing, or the key is another user's."""
    pointer, *rest = (found.get(item) for item in items)
    key, user, account = _as(rest[0], AccessKey), _as(rest[1], User), _as(rest[2], Account)
    if pointer is None or key is None or user is None or account is None:
        return None
    theirs = pointer["account_id"] == account_id and key.username == username
    return (key, user, account) if theirs else None


def access_keys(table: Table, account_id: str, cursor: str | None, limit: int, *, descending: bool) -> Page[AccessKey]:
    return _page(table, account_id, _KEY, AccessKey, cursor, limit, descending=descending)


def access_keys_of(
    table: Table, account_id: str, username: str, search: str, after: str | None, limit: int, *, descending: bool
) -> Page[AccessKey]:
    """One user's, or with "" anybody's, whose id, user or remark holds the text, in any case, by a bounded pass.
    after: the key's id that it goes on from."""
    text = search.lower()

    def wanted(item: Item) -> bool:
        held = any(text in str(item.get(name, "")).lower() for name in ("id", "username", "remark"))
        return held and username in ("", item["username"])

    found = rows_wanted(table, keys.account_access_key(account_id, ""), wanted, after, limit, descending=descending)
    return found.map(AccessKey.model_validate)
