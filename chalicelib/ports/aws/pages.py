"""What a query asks of the sort key, and where a page of it ended."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from chalicelib.kernel.errors import Invalid
from chalicelib.ports.limits import KEY_LIMITS
from chalicelib.ports.table import Index

from .expressions import Expression

# Sorts after everything a key of ours holds.
_LAST: Final = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Span:
    """The sort keys from `low` to `high`, both included; None is open. DynamoDB takes one such condition, no two."""

    low: str | None
    high: str | None
    prefix: str

    @classmethod
    def of(cls, prefix: str, after: str | None, until: str | None, *, descending: bool) -> Span:
        low, high = (prefix, prefix + _LAST) if prefix else (None, None)
        if after is not None and descending:
            below = just_below(after)
            high = below if high is None else min(high, below)
        elif after is not None:
            above = after + "\0"
            low = above if low is None else max(low, above)
        if until is not None:
            high = until if high is None else min(high, until)
        return cls(low, high, prefix)

    @property
    def empty(self) -> bool:
        return self.high is not None and (self.high == "" or (self.low is not None and self.low > self.high))

    def condition(self, expression: Expression, attribute: str) -> str:
        """The key condition on the sort key, empty if it is free."""
        name = expression.name(attribute) if self.low is not None or self.high is not None else ""
        if self.prefix and (self.low, self.high) == (self.prefix, self.prefix + _LAST):
            return f"begins_with({name}, {expression.value(self.prefix)})"
        if self.low is not None and self.high is not None:
            return f"{name} BETWEEN {expression.value(self.low)} AND {expression.value(self.high)}"
        if self.low is not None:
            return f"{name} >= {expression.value(self.low)}"
        return f"{name} <= {expression.value(self.high)}" if self.high is not None else ""


def just_below(text: str) -> str:
    """The last text before this one, among those that do not hold the last character of Unicode."""
    if not text:
        return ""
    head, last = text[:-1], ord(text[-1])
    if last == 0:
        return head
    # The code points before U+E000 are halves of surrogate pairs, which no text holds.
    before = 0xD7FF if last == 0xE000 else last - 1
    return head + chr(before) + _LAST


def _is_key(name: str, value: str) -> bool:
    """Anybody can compute what marks a cursor as one of a list, and write into it what DynamoDB takes for no key."""
    try:
        return 0 < len(value.encode()) <= KEY_LIMITS[name]
    except UnicodeEncodeError:
        return False


class Cursor:
    """Turns the key at which a page ended into text, and back for the same query alone."""

    def __init__(self, pk: str, index: Index | None, prefix: str, *, descending: bool) -> None:
        self._names = (f"{index}sk", "pk", "sk") if index else ("sk",)
        self._partition = {f"{index}pk" if index else "pk": pk}
        query = json.dumps([pk, index, prefix, descending])
        self._query = blake2b(query.encode(), digest_size=6).hexdigest()

    def write(self, key: dict[str, Any]) -> str:
        """key   the attributes of the item's keys, plain"""
        values = json.dumps([self._query, *(key[name] for name in self._names)], ensure_ascii=False)
        return base64.urlsafe_b64encode(values.encode()).decode().rstrip("=")

    def read(self, text: str) -> dict[str, str]:
        """The key of `write`. Raises Invalid."""
        try:
            values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, ValueError, RecursionError) as error:
            raise self.foreign() from error
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.foreign()
        if len(values) != 1 + len(self._names) or values[0] != self._query:
            raise self.foreign()
        place = dict(zip(self._names, values[1:], strict=True))
        if not all(_is_key(name, value) for name, value in place.items()):
            raise self.foreign()
        return self._partition | place

    @staticmethod
    def foreign() -> Invalid:
        return Invalid("cursor", "the cursor is not one of this list; start again without it")
