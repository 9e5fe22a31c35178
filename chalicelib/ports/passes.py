"""A list of one partition of which only some rows are wanted: bounded passes over it, page by page."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.kernel.paging import Page, bounded_pass

from .table import Item, Key, Table


def rows_wanted(
    table: Table, first: Key, wanted: Callable[[Item], bool], cursor: str | None, limit: int, *, descending: bool
) -> Page[Item]:
    """Rows whose sk begins like `first`'s and that are wanted, by a bounded pass (`kernel.paging`).

    cursor: where the page before ended, an sk without its beginning.
    """
    start = None if cursor is None else first.sk + cursor

    def load(inner: str | None, rows: int) -> Page[Item]:
        after, rows = (start if inner is None else None), min(rows, limit * 4)
        return table.query(first.pk, prefix=first.sk, after=after, cursor=inner, limit=rows, descending=descending)

    return bounded_pass(load, wanted, lambda row: str(row["sk"]).removeprefix(first.sk), limit)
