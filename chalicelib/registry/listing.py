"""Pages of a repository's tags, by name, push time, size or last pull.

    by name, by name and prefix, by push time     one query a page, whatever is stored
    with a search, or prefix and push time        passes of at most 5 000 rows, in order; a page may come short, its
                                                  cursor goes on behind the last row looked at
    by size, by last pull                         passes of 5 000 tags in name order, each sorted as a whole; each page
                                                  looks at its pass again

A cursor carries where a page ended and a mark over that and the list it belongs to.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Literal

from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.paging import MOST_ROWS, Page, bounded_pass
from chalicelib.ports import keys
from chalicelib.ports.table import Item, Table

from .models import TagRecord

TagSort = Literal["name", "-name", "pushed_at", "-pushed_at", "size", "-size", "pulled_at", "-pulled_at"]

_NUMBER: Final = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class TagsAsked:
    """prefix, search: what names begin with, and what they hold."""

    repository_id: str
    sort: TagSort = "name"
    prefix: str = ""
    search: str = ""
    limit: int = 50

    @property
    def column(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")

    def wants(self, tag: Item) -> bool:
        return tag["name"].startswith(self.prefix) and self.search in tag["name"]

    def cursor(self, *position: str | int) -> str:
        packed = json.dumps([self._mark(position), *position], ensure_ascii=False)
        return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")

    def position(self, cursor: str) -> list[str | int]:
        """Raises Invalid unless `cursor` wrote it for this list."""
        foreign = Invalid("cursor", "the cursor is not one of this list; start again without it")
        try:
            packed = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        except (ValueError, binascii.Error, RecursionError):
            raise foreign from None
        if not isinstance(packed, list) or len(packed) < 2 or packed[0] != self._mark(packed[1:]):
            raise foreign
        position = packed[1:]
        if [type(part) for part in position] not in self._shapes or not all(str(part).isascii() for part in position):
            raise foreign
        return position

    @property
    def _shapes(self) -> list[list[type]]:
        """Anybody can compute a mark, so what it is over is looked at as well."""
        if self.column in ("name", "pushed_at"):
            return [[str]]
        return [[str], [str, int if self.column == "size" else str, str]]

    def _mark(self, position: Sequence[object]) -> str:
        told = json.dumps([self.repository_id, self.sort, self.prefix, self.search, *position])
        return blake2b(told.encode(), digest_size=9).hexdigest()


class TagLists:
    def __init__(self, table: Table) -> None:
        self._table = table

    def page(self, asked: TagsAsked, cursor: str | None) -> Page[TagRecord]:
        """Raises Invalid naming `cursor`."""
        position = asked.position(cursor) if cursor else []
        if asked.column not in ("name", "pushed_at"):
            return self._sorted(asked, position)
        found = self._walked(asked, str(position[0]) if position else None)
        if asked.column == "pushed_at":
            return found
        return Page(tuple(sorted(found.items, key=_natural, reverse=asked.descending)), found.next)

    def _walked(self, asked: TagsAsked, after: str | None) -> Page[TagRecord]:
        """In the order that the table keeps."""
        order = "sk" if asked.column == "name" else "i1sk"
        if not asked.search and (asked.column == "name" or not asked.prefix):
            found = self._query(asked, after, None, asked.limit)
            last = found.items[-1][order] if found.items and found.next is not None else None
        else:
            found = self._pass(asked, after, order, asked.limit)
            last = found.next
        tags = tuple(TagRecord.model_validate(row) for row in found.items)
        return Page(tags, asked.cursor(last) if last is not None else None)

    def _sorted(self, asked: TagsAsked, position: list[Any]) -> Page[TagRecord]:
        """One page of one pass. Its cursor: where the pass began, and the value and name of the page's last tag."""
        start, *seen = position or [""]
        found = self._pass(asked, start or None, "sk", MOST_ROWS)
        rows = sorted(found.items, key=lambda row: _place(asked, row), reverse=asked.descending)
        left = [row for row in rows if not seen or _beyond(asked, row, seen)]
        shown = tuple(TagRecord.model_validate(row) for row in left[: asked.limit])
        if len(left) > asked.limit:
            return Page(shown, asked.cursor(start, *_place(asked, left[asked.limit - 1])))
        return Page(shown, asked.cursor(found.next) if found.next is not None else None)

    def _pass(self, asked: TagsAsked, after: str | None, order: str, limit: int) -> Page[Item]:
        return bounded_pass(
            lambda cursor, rows: self._query(asked, after, cursor, rows),
            asked.wants,
            lambda row: str(row[order]),
            limit,
        )

    def _query(self, asked: TagsAsked, after: str | None, cursor: str | None, limit: int) -> Page[Item]:
        by_push = asked.column == "pushed_at"
        return self._table.query(
            keys.pushed_order(asked.repository_id) if by_push else keys.repository_partition(asked.repository_id),
            index="i1" if by_push else None,
            prefix="" if by_push else keys.tag("", asked.prefix).sk,
            after=after,
            cursor=cursor,
            limit=limit,
            descending=asked.descending and asked.column in ("name", "pushed_at"),
        )


def _place(asked: TagsAsked, row: Item) -> tuple[Any, str]:
    return (row["size"] if asked.column == "size" else row.get("pulled_at", ""), row["name"])


def _beyond(asked: TagsAsked, row: Item, seen: list[Any]) -> bool:
    place, shown = _place(asked, row), (seen[0], seen[1])
    return place < shown if asked.descending else place > shown


def _natural(tag: TagRecord) -> tuple[list[tuple[int, int, str]], str]:
    """v2 comes before v10. The name itself decides between 01 and 1."""
    parts = _NUMBER.split(tag.name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part], tag.name
