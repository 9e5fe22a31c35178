"""One page of a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

# What one request looks at where no index serves its question.
MOST_ROWS: Final = 5_000
_ROWS_AT_ONCE: Final = 1_000

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next` is the cursor of the following page, None on the last. Cursors are opaque and safe to hand out."""

    items: tuple[T, ...]
    next: str | None = None

    def map(self, change: Callable[[T], U]) -> Page[U]:
        return Page(tuple(change(item) for item in self.items), self.next)


def every(load: Callable[[str | None], Page[T]]) -> Iterator[T]:
    """All of a list, page by page. load: the cursor of the page before → a page"""
    cursor: str | None = None
    while True:
        page = load(cursor)
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def bounded_pass(
    load: Callable[[str | None, int], Page[T]],
    wanted: Callable[[T], bool],
    place: Callable[[T], str],
    limit: int,
    most_rows: int = MOST_ROWS,
) -> Page[T]:
    """What of a list is wanted, by looking at so many rows at most; then the page ends early and says where to go on.

    load    the rows beyond where this pass began: (cursor of the page before, how many) → a page
    place   where a row stands in the list; `next` of the answer is the place of the last row looked at
    """
    found: list[T] = []
    cursor: str | None = None
    looked_at, last = 0, None
    while True:
        page = load(cursor, min(_ROWS_AT_ONCE, most_rows - looked_at))
        for row in page.items:
            if len(found) == limit:
                return Page(tuple(found), last)
            looked_at, last = looked_at + 1, place(row)
            if wanted(row):
                found.append(row)
        cursor = page.next
        if cursor is None:
            return Page(tuple(found))
        if looked_at >= most_rows:
            return Page(tuple(found), last)
