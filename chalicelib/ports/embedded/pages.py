"""Queries as SQL, and cursors as the position they stand for."""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Final

import msgspec

from chalicelib.kernel.errors import Invalid
from chalicelib.ports.table import Index, Item

MOST_ITEMS: Final = 1000
# What a page is ordered by; ties of an index are broken by the item's key.
_COLUMNS: Final[dict[Index | None, tuple[str, tuple[str, ...]]]] = {
    None: ("pk", ("sk",)),
    "i1": ("i1pk", ("i1sk", "pk", "sk")),
    "i2": ("i2pk", ("i2sk", "pk", "sk")),
}

# What a cursor holds: the query's mark, then the position. Bounded, so that a forged one costs nothing.
_Packed = Annotated[list[str], msgspec.Meta(min_length=2, max_length=4)]


@dataclass(frozen=True, slots=True)
class Query:
    """One `Table.query`, in the words of its contract. Raises ValueError on a limit or combination out of contract."""

    pk: str
    index: Index | None
    prefix: str
    after: str | None
    until: str | None
    descending: bool
    limit: int

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST_ITEMS:
            raise ValueError(f"a page has 1–{MOST_ITEMS} items")
        if self.until is not None and (self.descending or self.prefix):
            raise ValueError("until goes with ascending queries without a prefix")
        if not self.pk:
            raise ValueError("a query names its partition")

    def statement(self, cursor: str | None) -> tuple[str, list[Any]]:
        """SQL that answers bodies in order, one more than the page has room for, and what to bind to it.

        SQLite seeks to one bound and passes over what the others exclude, row by row. So only the furthest stands on
        the side where the page begins, or a page would cost more the further back it is.
        """
        partition, order = _COLUMNS[self.index]
        sort, beyond, way = order[0], "<" if self.descending else ">", "DESC" if self.descending else "ASC"
        tests, values = [f"{partition}=?"], [self.pk]
        position = [] if cursor is None else self._position(cursor)
        reached = [text for text in (self.after, *position[:1]) if text is not None]
        low, high = self._span(reached)
        for bound, test in ((low, f"{sort}>=?"), (high, f"{sort}<?"), (self.until, f"{sort}<=?")):
            if bound is not None:
                tests.append(test)
                values.append(bound)
        if self.after is not None and not (position and self._further(position[0], self.after)):
            tests.append(f"{sort}{beyond}?")
            values.append(self.after)
        if position:
            tests.append(f"({','.join(order)}){beyond}({','.join('?' * len(order))})")
            values.extend(position)
        ordering = ",".join(f"{column} {way}" for column in order)
        sql = f"SELECT body FROM items WHERE {' AND '.join(tests)} ORDER BY {ordering} LIMIT ?"  # noqa: S608 — columns
        return sql, [*values, self.limit + 1]

    def _span(self, reached: Sequence[str]) -> tuple[str | None, str | None]:
        """First sort key of the prefix, and the first beyond it; None where what was reached already says more."""
        if not self.prefix:
            return None, None
        low, high = self.prefix, _first_beyond(self.prefix)
        if self.descending:
            return low, None if high is not None and any(text <= high for text in reached) else high
        return None if any(text >= low for text in reached) else low, high

    def _further(self, one: str, other: str) -> bool:
        return one < other if self.descending else one > other

    def cursor(self, last: Item) -> str:
        """The cursor of the page that follows this item."""
        position = [last[column] for column in _COLUMNS[self.index][1]]
        return base64.urlsafe_b64encode(msgspec.msgpack.encode([self._mark(), *position])).decode().rstrip("=")

    def _position(self, cursor: str) -> Sequence[str]:
        try:
            packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            mark, *position = msgspec.msgpack.decode(packed, type=_Packed)
        except (ValueError, binascii.Error, msgspec.MsgspecError):
            raise Invalid("cursor", "this is not a cursor of ours") from None
        if mark != self._mark() or len(position) != len(_COLUMNS[self.index][1]):
            raise Invalid("cursor", "this cursor belongs to another list")
        return position

    def _mark(self) -> str:
        """Tells this query from others without spelling out the partition, since cursors are handed out."""
        told = "\0".join((self.index or "", self.pk, self.prefix, "<" if self.descending else ">"))
        return blake2b(told.encode(), digest_size=6).hexdigest()


def _first_beyond(prefix: str) -> str | None:
    """The first text, in the order of code points, that is behind all texts that begin with `prefix`."""
    trimmed = prefix.rstrip(chr(sys.maxunicode))
    if not trimmed:
        return None
    following = ord(trimmed[-1]) + 1
    if 0xD800 <= following <= 0xDFFF:  # half characters, which no text holds
        following = 0xE000
    return trimmed[:-1] + chr(following)
