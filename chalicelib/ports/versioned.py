"""A table all of whose rows say their version (`kernel.versions`), for whoever opens a stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.paging import Page
from chalicelib.kernel.versions import FIELD, READS, WRITES

from .table import (
    Condition,
    ConditionFailed,
    Index,
    Item,
    Key,
    Put,
    Table,
    TransactionCancelled,
    Update,
    Write,
    absent,
    all_of,
    any_of,
    at_most,
)

_UNDERSTOOD: Final = any_of(absent(FIELD), at_most(FIELD, READS))
_OF_WHAT_EXISTS: Final = frozenset({"present", "equals", "at_least", "at_most"})


class RowTooNew(Unavailable):
    """Written by a version of the service that this process is older than."""

    def __init__(self, item: Item) -> None:
        super().__init__("a newer version of this service wrote what is asked for; upgrade this one", 5)
        self.version = item[FIELD]


class VersionedTable:
    """Writes rows with their version, and refuses those that are newer than this code: any method may raise RowTooNew.

    A change that may make its row finds one there that nobody looked at: it carries a condition of its own.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._get = table.get
        # Asked before each answer from memory, and so not worth another call.
        self.epoch = table.epoch

    def get(self, key: Key) -> Item | None:
        found = self._get(key)
        return None if found is None else _understood(found)

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        found = self._table.get_many(keys)
        for item in found.values():
            _understood(item)
        return found

    def query(
        self,
        pk: str,
        *,
        index: Index | None = None,
        prefix: str = "",
        after: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page[Item]:
        page = self._table.query(
            pk,
            index=index,
            prefix=prefix,
            after=after,
            until=until,
            cursor=cursor,
            limit=limit,
            descending=descending,
        )
        for item in page.items:
            _understood(item)
        return page

    def put(self, item: Item, when: Condition | None = None, *, relaxed: bool = False) -> None:
        with _looking():
            self._table.put(_told(item), when, relaxed=relaxed)

    def put_many(self, items: Sequence[Item], *, relaxed: bool = False) -> None:
        self._table.put_many([_told(item) for item in items], relaxed=relaxed)

    def update(self, change: Update, *, relaxed: bool = False) -> Item:
        with _looking():
            return _understood(self._table.update(_changed(change), relaxed=relaxed))

    def delete(self, key: Key, when: Condition | None = None, *, relaxed: bool = False) -> None:
        with _looking():
            self._table.delete(key, when, relaxed=relaxed)

    def transact(self, writes: Sequence[Write], *, relaxed: bool = False) -> None:
        with _looking():
            self._table.transact([_written(write) for write in writes], relaxed=relaxed)


def _understood(item: Item) -> Item:
    if item.get(FIELD, WRITES) > READS:
        raise RowTooNew(item)
    return item


def _told(item: Item) -> Item:
    return item if FIELD in item else {**item, FIELD: WRITES}


def _written(write: Write) -> Write:
    if isinstance(write, Put):
        return write if FIELD in write.item else Put(_told(write.item), write.when)
    return _changed(write) if isinstance(write, Update) else write


def _changed(change: Update) -> Update:
    if change.when is not None and _needs_a_row(change.when):
        return change
    guarded = _UNDERSTOOD if change.when is None else all_of(change.when, _UNDERSTOOD)
    return replace(change, set={FIELD: WRITES, **change.set}, when=guarded)


def _needs_a_row(condition: Condition) -> bool:
    """Whether it cannot hold where nothing stands. False where that is not plain to see."""
    if condition.operator == "all_of":
        return any(_needs_a_row(part) for part in condition.parts)
    return condition.operator in _OF_WHAT_EXISTS


@contextmanager
def _looking() -> Iterator[None]:
    """A write that failed for what stands there tells of it only if it is understood."""
    try:
        yield
    except ConditionFailed as failed:
        if failed.item is not None:
            _understood(failed.item)
        raise
    except TransactionCancelled as cancelled:
        for item in cancelled.failed.values():
            if item is not None:
                _understood(item)
        raise
