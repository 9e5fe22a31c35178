"""Reads of the recycle bin."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chalicelib.kernel.paging import Page, bounded_pass, every
from chalicelib.ports import keys
from chalicelib.ports.table import Item, Table
from chalicelib.registry.models import BinEntry

from .models import EntryQuery


def load(table: Table, instance_id: str, entry_id: str) -> BinEntry | None:
    item = table.get(keys.bin_entry(instance_id, entry_id))
    return None if item is None else BinEntry.model_validate(item)


def page(table: Table, instance_id: str, wanted: Callable[[Item], bool] | None, query: EntryQuery) -> Page[BinEntry]:
    """query's cursor: the id of the last entry of the page before. Without `wanted` one query a page; with it a bounded
    pass."""
    first, cursor, limit = keys.bin_entry(instance_id, ""), query.cursor, query.limit
    start = None if cursor is None else keys.bin_entry(instance_id, cursor).sk

    def load_rows(inner: str | None, rows: int) -> Page[Item]:
        # An entry may hold the names of thousands of tags.
        after, rows = (start if inner is None else None), min(rows, limit + 1 if wanted is None else limit * 4)
        return table.query(
            first.pk, prefix=first.sk, after=after, cursor=inner, limit=rows, descending=query.sort == "-deleted_at"
        )

    found = bounded_pass(load_rows, wanted or (lambda row: True), lambda row: str(row["id"]), limit)
    return found.map(BinEntry.model_validate)


def parts(table: Table, entry: BinEntry) -> Iterator[BinEntry]:
    """The repositories that a namespace took along."""
    first = keys.bin_part(entry.instance_id, entry.id, "")
    for row in every(lambda cursor: table.query(first.pk, prefix=first.sk, cursor=cursor, limit=500)):
        yield BinEntry.model_validate(row)
