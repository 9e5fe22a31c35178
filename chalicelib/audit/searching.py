"""Entries of one scope, newest first, in passes of bounded length.

    by time                 day after day, from the last one the filter touches to the first
    by type of object       one query of index 1, whatever else is in the table
    by keyword              the same rows, looked at one by one

A cursor is the id of the last row that was looked at: what is beyond it is older.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.ids import LEAST_TAIL, id_at, is_id, moment_of
from chalicelib.kernel.paging import MOST_ROWS, Page
from chalicelib.ports import audit_keys
from chalicelib.ports.table import Index, Item, Table

from . import rules, store
from .models import Entry, Filter

MOST_EXPORTED_ROWS: Final = 50_000
# Days without an entry that one call goes through: a query each.
_MOST_DAYS: Final = 62
_PAGE: Final = 1000
_DAY: Final = timedelta(days=1)


class Search:
    def __init__(self, table: Table, scope: str, now: datetime) -> None:
        self._table = table
        self._scope = scope
        self._now = now

    def page(self, wanted: Filter, cursor: str | None, limit: int) -> Page[Entry]:
        walk = Walk(self._table, self._scope, wanted, self._begin(wanted, cursor), self._now)
        walk.page_rows = _PAGE if wanted.keyword else min(limit + 1, _PAGE)
        found = list(islice(walk, limit))
        last = walk.position
        more = next(walk, None) is not None
        entries = tuple(Entry.model_validate(item) for item in found)
        if more:
            return Page(entries, last)
        return Page(entries, None if walk.ended else walk.position)

    def lines(self, wanted: Filter, cursor: str | None, most_bytes: int, line: Callable[[Entry], str]) -> Page[str]:
        """At least one, if there is one; then as many as fit."""
        walk = Walk(self._table, self._scope, wanted, self._begin(wanted, cursor), self._now, MOST_EXPORTED_ROWS)
        texts: list[str] = []
        size, last = 0, walk.position
        for item in walk:
            text = line(Entry.model_validate(item))
            size += len(text.encode())
            if texts and size > most_bytes:
                return Page(tuple(texts), last)
            texts.append(text)
            last = walk.position
        return Page(tuple(texts), None if walk.ended else walk.position)

    def _begin(self, wanted: Filter, cursor: str | None) -> str:
        """Raises Invalid."""
        latest = rules.latest_id(wanted, self._now)
        if cursor is None:
            return latest
        if not is_id(cursor):
            raise Invalid("cursor", "this is not a cursor of ours")
        return min(latest, cursor)


class Walk:
    """What the filter lets through below `position`, until `ended` or the pass has had its rows."""

    def __init__(
        self, table: Table, scope: str, wanted: Filter, position: str, now: datetime, most_rows: int = MOST_ROWS
    ) -> None:
        self._table = table
        self._scope = scope
        self._wanted = wanted
        self._now = now
        self._rows_left = most_rows
        self.page_rows = _PAGE
        self.position = position
        self.ended = False
        self._found = self._walk()

    def __iter__(self) -> Iterator[Item]:
        return self._found

    def __next__(self) -> Item:
        return next(self._found)

    def _walk(self) -> Iterator[Item]:
        first = self._first_id()
        for item in self._rows(first):
            if item["id"] < first:
                self.ended = True
                return
            if self._rows_left == 0:
                return
            self._rows_left -= 1
            self.position = item["id"]
            if rules.lets_through(self._wanted, item):
                yield item

    def _first_id(self) -> str:
        """Nothing older than this can be asked for, or is there."""
        oldest = store.first_minute(self._table, self._scope)
        # Before the first seal there is little, and it is new.
        start = rules.start_of(oldest) if oldest else self._now - (_MOST_DAYS - 2) * _DAY
        if self._wanted.since is not None:
            start = max(start, self._wanted.since)
        return id_at(start, LEAST_TAIL)

    def _rows(self, first: str) -> Iterator[Item]:
        if self._wanted.object_type:
            yield from self._query(audit_keys.audit_type(self._scope, self._wanted.object_type), "")
            self.ended = True
            return
        days = _days(self.position, first)
        for day in days[:_MOST_DAYS]:
            yield from self._query(audit_keys.audit_day(self._scope, f"{day:%Y-%m-%d}"), "ENTRY#")
            self.position = min(self.position, id_at(day, LEAST_TAIL))
        self.ended = len(days) <= _MOST_DAYS

    def _query(self, pk: str, prefix: str) -> Iterator[Item]:
        index: Index | None = None if prefix else "i1"
        after = prefix + self.position
        while True:
            page = self._table.query(pk, index=index, prefix=prefix, after=after, descending=True, limit=self.page_rows)
            yield from page.items
            if page.next is None:
                return
            after = prefix + page.items[-1]["id"]


def _days(last: str, first: str) -> list[datetime]:
    """Midnights, from the day of one id back to the day of the other."""
    begin, day = moment_of(first), moment_of(last).replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    while last >= first and day > begin - _DAY:
        found.append(day)
        day -= _DAY
    return found
