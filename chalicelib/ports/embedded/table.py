"""The table in SQLite."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from chalicelib.kernel.moment import Clock, SystemClock
from chalicelib.kernel.paging import Page
from chalicelib.ports.limits import TRANSACTION_LIMIT_BYTES, check_distinct, check_key, check_transaction
from chalicelib.ports.table import (
    PAGE_LIMIT_BYTES,
    Check,
    Condition,
    ConditionFailed,
    Delete,
    Index,
    Item,
    Key,
    Put,
    TransactionCancelled,
    Update,
    Write,
)

from .conditions import holds, updated
from .database import Database
from .durability import end_process
from .items import DELETE, EXPIRE, EXPIRES_COLUMN, REPLACE, SCHEMA, SELECT, Row, decode, row
from .pages import Query

# From so many keys on, `get_many` reads in one transaction.
_TOGETHER: Final = 3
# Keeps one big `put_many` from holding up other writers for more than some milliseconds.
_BATCH_ROWS: Final = 200
_BATCH_BYTES: Final = 1024 * 1024
# DynamoDB takes its time as well; nobody may mistake expiry for a lock that ends on the second.
EXPIRY_MARGIN_S: Final = 3600


class SqliteTable:
    """See `ports.table.Table`. Numbers have at most 64 bits. Any thread, and any number of processes, may use it."""

    def __init__(
        self,
        path: Path,
        clock: Clock | None = None,
        *,
        end: Callable[[str], NoReturn] = end_process,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self._database = Database(path, SCHEMA, end, sync)
        self._clock = clock or SystemClock()
        self._reader = self._database.reader
        self.epoch = self._database.epoch
        self.close = self._database.close

    def get(self, key: Key) -> Item | None:
        try:
            found = self._reader().execute(SELECT, key).fetchone()
        except sqlite3.Error as error:
            self._database.refuse(error)
        if found is None:
            check_key(key)
            return None
        return decode(found[0])

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        get = self.get
        if len(keys) < _TOGETHER:
            return {key: item for key in keys if (item := get(key)) is not None}
        # In one transaction: each read of its own takes and leaves SQLite's locks, which costs as much as the read.
        reader = self._reader()
        reader.execute("BEGIN")
        try:
            return {key: item for key in keys if (item := get(key)) is not None}
        finally:
            reader.execute("COMMIT")

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
        query = Query(pk, index, prefix, after, until, descending, limit)
        sql, values = query.statement(cursor)
        items: list[Item] = []
        size = 0
        with self._database.reading() as reader:
            for (body,) in reader.execute(sql, values):
                if len(items) == limit or (items and size + len(body) > PAGE_LIMIT_BYTES):
                    return Page(tuple(items), query.cursor(items[-1]))
                items.append(decode(body))
                size += len(body)
        return Page(tuple(items))

    def put(self, item: Item, when: Condition | None = None, *, relaxed: bool = False) -> None:
        self._single(Put(item, when), relaxed)

    def put_many(self, items: Sequence[Item], *, relaxed: bool = False) -> None:
        rows = [row(item) for item in items]
        check_distinct([Key(one[0], one[1]) for one in rows])
        while rows:
            batch, rows = _batch(rows)

            def put_batch(cursor: sqlite3.Cursor, batch: list[Row] = batch) -> None:
                cursor.executemany(REPLACE, batch)
                self._database.weigh(sum(len(one[-1]) for one in batch))

            # One barrier behind the last batch covers them all.
            self._database.write(put_batch, relaxed=relaxed or bool(rows))

    def update(self, change: Update, *, relaxed: bool = False) -> Item:
        after = self._single(change, relaxed)
        assert after is not None  # noqa: S101 — an update leaves an item
        return after

    def delete(self, key: Key, when: Condition | None = None, *, relaxed: bool = False) -> None:
        self._single(Delete(key, when), relaxed)

    def transact(self, writes: Sequence[Write], *, relaxed: bool = False) -> None:
        rows = [_row_of(write) for write in writes]
        check_transaction(writes)

        def change(cursor: sqlite3.Cursor) -> None:
            plans = [_plan(cursor, write, new) for write, new in zip(writes, rows, strict=True)]
            failed = {position: plan.before for position, plan in enumerate(plans) if not plan.holds}
            if failed:
                raise TransactionCancelled(failed)
            if sum(len(plan.row[-1]) for plan in plans if plan.row) > TRANSACTION_LIMIT_BYTES:
                raise ValueError(f"a transaction writes at most {TRANSACTION_LIMIT_BYTES} bytes")
            self._carry_out(cursor, plans)

        self._database.write(change, relaxed=relaxed)

    def _single(self, write: Put | Update | Delete, relaxed: bool) -> Item | None:
        new = _row_of(write)

        def change(cursor: sqlite3.Cursor) -> Item | None:
            plan = _plan(cursor, write, new)
            if not plan.holds:
                raise ConditionFailed(plan.before)
            self._carry_out(cursor, [plan])
            return plan.after

        return self._database.write(change, relaxed=relaxed)

    def _carry_out(self, cursor: sqlite3.Cursor, plans: Sequence[_Plan]) -> None:
        rows = [plan.row for plan in plans if plan.row is not None]
        self._database.weigh(sum(len(one[-1]) for one in rows))
        if any(one[EXPIRES_COLUMN] is not None for one in rows):
            # Whoever adds what expires removes a few that have, so that they never pile up and nobody has to sweep.
            cursor.execute(EXPIRE, (int(self._clock.now().timestamp()) - EXPIRY_MARGIN_S,))
        for plan in plans:
            plan.carry_out(cursor)


class _Plan:
    """What one write will do, decided before anything of its transaction is written."""

    __slots__ = ("after", "before", "holds", "key", "row")

    def __init__(self, key: Key, before: Item | None, when: Condition | None) -> None:
        self.key = key
        self.before = before
        self.holds = holds(when, before)
        self.after: Mapping[str, Any] | None = before
        self.row: Row | None = None

    def carry_out(self, cursor: sqlite3.Cursor) -> None:
        if self.row is not None:
            cursor.execute(REPLACE, self.row)
        elif self.after is None and self.before is not None:
            cursor.execute(DELETE, self.key)


def _batch(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """As many of the first rows as are written in one go, and the others."""
    size = 0
    for number, one in enumerate(rows[:_BATCH_ROWS]):
        size += len(one[-1])
        if size > _BATCH_BYTES and number:
            return rows[:number], rows[number:]
    return rows[:_BATCH_ROWS], rows[_BATCH_ROWS:]


def _row_of(write: Write) -> Row | None:
    """Of a put, made (and refused) before the lock is taken, so that writers hold each other up for less time."""
    if isinstance(write, Put):
        return row(write.item)
    check_key(write.key)
    return None


def _plan(cursor: sqlite3.Cursor, write: Write, new: Row | None) -> _Plan:
    key = write.key
    blind = new is not None and write.when is None  # nobody asks what stood there
    found = None if blind else cursor.execute(SELECT, key).fetchone()
    plan = _Plan(key, None if found is None else decode(found[0]), write.when)
    if not plan.holds or isinstance(write, Check):
        return plan
    if isinstance(write, Delete):
        plan.after = None
    elif isinstance(write, Put):
        plan.after, plan.row = write.item, new
    else:
        plan.after = updated(plan.before, write)
        plan.row = row(plan.after)
    return plan
