"""Items of shares: one with the repository decides, and index 1 has it for the instance's list; one with the guest's
account is for the guest's.

Rows of an earlier version are not in the index: they are put there when the list of their repository or of their guest
is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chalicelib.kernel.paging import Page
from chalicelib.ports import keys, sharing_keys
from chalicelib.ports.passes import rows_sorted
from chalicelib.ports.table import (
    Check,
    ConditionFailed,
    Delete,
    Item,
    Key,
    Put,
    Table,
    Update,
    Write,
    absent,
    present,
)

from .models import Share, ShareQuery


def creation(share: Share) -> list[Write]:
    """Position 0 fails if it is shared with the guest already, 2 if the repository is gone."""
    record = share.model_dump()
    return [
        Put({**_key(share)._asdict(), **record, **_place(share)}, absent()),
        Put({**_guest_key(share)._asdict(), **record}),
        Check(keys.repository_by_id(share.repository_id), present()),
    ]


def deletion(share: Share) -> list[Write]:
    return [Delete(_key(share)), Delete(_guest_key(share))]


def load(table: Table, repository_id: str, share_id: str) -> Share | None:
    item = table.get(keys.share(repository_id, share_id))
    return None if item is None else Share.model_validate(item)


def page(table: Table, repository_id: str, asked: ShareQuery) -> Page[Share]:
    """Passes that are each sorted as a whole."""
    partition, prefix = keys.share(repository_id, "")
    found = _sorted(table, Key(partition, prefix), _guest_of, asked)
    _index(table, found.items)
    return found.map(Share.model_validate)


def of_instance(table: Table, instance_id: str, asked: ShareQuery) -> Page[Share]:
    """Passes over index 1, which may lag."""
    return _sorted(table, sharing_keys.shares_order(instance_id), _guest_of, asked, indexed=True).map(
        Share.model_validate
    )


def of_guest(table: Table, account: str, username: str, asked: ShareQuery) -> Page[Share]:
    """Those that stand: a pass and one batch a page."""
    first = Key(keys.account_partition(account), keys.shared_prefix(username))
    found = _sorted(table, first, lambda row: row["owner_account"], asked)
    shares = found.map(Share.model_validate)
    standing = table.get_many([_key(share) for share in shares.items])
    _index(table, standing.values())
    return Page(tuple(share for share in shares.items if _key(share) in standing), shares.next)


def _sorted(
    table: Table, first: Key, name: Callable[[Item], str], asked: ShareQuery, *, indexed: bool = False
) -> Page[Item]:
    """name: what the list is searched and sorted by, unless by time."""
    by_time = asked.sort.endswith("created_at")
    return rows_sorted(
        table,
        first,
        lambda row: asked.search.lower() in name(row).lower(),
        lambda row: row["created_at"] if by_time else name(row),
        asked.cursor,
        asked.limit,
        descending=asked.sort.startswith("-"),
        index="i1" if indexed else None,
    )


def _guest_of(row: Item) -> str:
    return f"{row['account']}/{row['username']}"


def _index(table: Table, rows: Iterable[Item]) -> None:
    for row in rows:
        if "i1pk" in row:
            continue
        try:
            table.update(Update(Key(row["pk"], row["sk"]), set=_place(Share.model_validate(row)), when=present()))
        except ConditionFailed:
            continue


def _place(share: Share) -> dict[str, str]:
    return sharing_keys.shares_place(share.instance_id, share.account, share.username, share.id)


def _key(share: Share) -> Key:
    return keys.share(share.repository_id, share.id)


def _guest_key(share: Share) -> Key:
    return keys.shared_with(share.account, share.username, share.id)
