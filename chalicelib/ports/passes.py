"""A list of one partition of which only some rows are wanted: bounded passes over it, page by page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Final

from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.paging import MOST_ROWS, Page, bounded_pass

from .table import Index, Item, Key, Table

# Signs of what a row is sorted by: a cursor has to hold them in up to 4 KB.
_LONGEST_PLACE: Final = 400


def rows_wanted(
    table: Table, first: Key, wanted: Callable[[Item], bool], cursor: str | None, limit: int, *, descending: bool
) -> Page[Item]:
    """Rows whose sk begins like `first`'s and that are wanted, by a bounded pass (`kernel.paging`).

    cursor: where the page before ended, an sk without its beginning.
    """
    start = None if cursor is None else first.sk + cursor
    # Most lists have what is wanted at their beginning; where little is, a few larger queries look at the rest.
    at_once = limit * 4

    def load(inner: str | None, rows: int) -> Page[Item]:
        nonlocal at_once
        after, rows, at_once = (start if inner is None else None), min(rows, at_once), at_once * 4
        return table.query(first.pk, prefix=first.sk, after=after, cursor=inner, limit=rows, descending=descending)

    return bounded_pass(load, wanted, lambda row: str(row["sk"]).removeprefix(first.sk), limit)


def rows_sorted(
    table: Table,
    first: Key,
    wanted: Callable[[Item], bool],
    place: Callable[[Item], str],
    cursor: str | None,
    limit: int,
    *,
    descending: bool,
    index: Index | None = None,
) -> Page[Item]:
    """The same in an order that no index keeps: passes of `MOST_ROWS` rows, each sorted as a whole, each page looking
    at its pass again.

    first    with an index: its partition, and how its sort keys begin
    place    what a row is sorted by, by its first 400 signs; rows of one place come by their own keys
    cursor   where the pass began, and where in it the page before ended. Raises Invalid for any other
    """
    order = "sk" if index is None else f"{index}sk"
    start, *seen = [""] if cursor is None else _position(cursor)

    def load(inner: str | None, rows: int) -> Page[Item]:
        after = first.sk + start if inner is None and start else None
        return table.query(first.pk, index=index, prefix=first.sk, after=after, cursor=inner, limit=rows)

    def stands(row: Item) -> tuple[str, str]:
        return place(row)[:_LONGEST_PLACE], str(row[order])

    found = bounded_pass(load, wanted, lambda row: str(row[order]).removeprefix(first.sk), MOST_ROWS)
    rows = sorted(found.items, key=stands, reverse=descending)
    if seen:
        last = (seen[0], seen[1])
        rows = [row for row in rows if (stands(row) < last if descending else stands(row) > last)]
    shown = tuple(rows[:limit])
    if len(rows) > limit:
        return Page(shown, _cursor(start, *stands(shown[-1])))
    return Page(shown, None if found.next is None else _cursor(found.next))


def _cursor(*position: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(position, ensure_ascii=False).encode()).decode().rstrip("=")


def _position(cursor: str) -> list[str]:
    foreign = Invalid("cursor", "is not a cursor of this list")
    try:
        position = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise foreign from None
    if not isinstance(position, list) or len(position) not in (1, 3):
        raise foreign
    # The first stands in a key. What follows is only compared, and may be anything that users wrote.
    if not all(isinstance(part, str) for part in position) or not (position[0].isprintable() and position[0].isascii()):
        raise foreign
    return position
