"""Items of shares: one with the repository decides, one with the guest's account is for the guest's list."""

from __future__ import annotations

from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.table import Check, Delete, Item, Key, Put, Table, Write, absent, present

from .models import Share


def creation(share: Share) -> list[Write]:
    """Position 0 fails if it is shared with the guest already, 2 if the repository is gone."""
    record = share.model_dump()
    return [
        Put({**_key(share)._asdict(), **record}, absent()),
        Put({**_guest_key(share)._asdict(), **record}),
        Check(keys.repository_by_id(share.repository_id), present()),
    ]


def deletion(share: Share) -> list[Write]:
    return [Delete(_key(share)), Delete(_guest_key(share))]


def load(table: Table, repository_id: str, share_id: str) -> Share | None:
    item = table.get(keys.share(repository_id, share_id))
    return None if item is None else Share.model_validate(item)


def page(table: Table, repository_id: str, cursor: str | None, limit: int) -> Page[Share]:
    partition, prefix = keys.share(repository_id, "")
    found: Page[Item] = table.query(partition, prefix=prefix, cursor=cursor, limit=limit)
    return found.map(Share.model_validate)


def of_guest(table: Table, account: str, username: str, cursor: str | None, limit: int) -> Page[Share]:
    """In no particular order: those that stand. One query and one batch a page."""
    partition, prefix = keys.account_partition(account), keys.shared_prefix(username)
    found: Page[Item] = table.query(partition, prefix=prefix, cursor=cursor, limit=limit)
    shares = found.map(Share.model_validate)
    standing = table.get_many([_key(share) for share in shares.items])
    return Page(tuple(share for share in shares.items if _key(share) in standing), shares.next)


def _key(share: Share) -> Key:
    return keys.share(share.repository_id, share.id)


def _guest_key(share: Share) -> Key:
    return keys.shared_with(share.account, share.username, share.id)
