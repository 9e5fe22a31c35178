"""The table: items keyed (pk, sk), conditional writes, transactions, queries. DynamoDB's model and DynamoDB's limits.

An item is a flat-enough mapping with `pk` and `sk` and, as needed,
  i1pk, i1sk / i2pk, i2sk   its place in the two sparse indexes
  expires                   seconds since 1970 after which the store may drop it (and must not be relied on to)
Values: str, int (signed, 38 digits at most), bool, bytes, None, lists and string-keyed mappings of these. No floats.

Every adapter keeps these promises; `tests/contract/test_table.py` holds them to it.
  - `get`, `get_many` and base-table `query` see every write that returned before they began (consistent reads).
  - A write is all or nothing. A transaction is atomic and isolated; the same item may appear in it once.
  - `relaxed=True` allows a write to reach the disk later, but no later than the next write that is not relaxed,
    and never out of order; it is visible at once all the same.
  - Index reads may be stale; base-table reads never are.
  - An outcome that stays unknown raises `OutcomeUnknown`; callers find out by reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol

from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.paging import Page

Item = Mapping[str, Any]
Index = Literal["i1", "i2"]

# DynamoDB's limits, held by every adapter so that what passes on one machine passes on AWS.
ITEM_LIMIT_BYTES: Final = 400 * 1024
TRANSACTION_LIMIT_ITEMS: Final = 100
PAGE_LIMIT_BYTES: Final = 1024 * 1024
PK_LIMIT_BYTES: Final = 2048
SK_LIMIT_BYTES: Final = 1024


class Key(NamedTuple):
    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A test on the item as it stands before the write. Build with the functions below."""

    operator: Literal["absent", "present", "equals", "at_least", "at_most", "all_of", "any_of"]
    name: str = ""
    value: Any = None
    parts: tuple[Condition, ...] = ()


def absent(name: str = "pk") -> Condition:
    """The item, or one attribute of it, does not exist."""
    return Condition("absent", name)


def present(name: str = "pk") -> Condition:
    """The item, or one attribute of it, exists."""
    return Condition("present", name)


def equals(name: str, value: Any) -> Condition:
    """The attribute exists and has this value."""
    return Condition("equals", name, value)


def at_least(name: str, value: int | str) -> Condition:
    """The attribute exists and is not below the value."""
    return Condition("at_least", name, value)


def at_most(name: str, value: int | str) -> Condition:
    """The attribute exists and is not above the value."""
    return Condition("at_most", name, value)


def all_of(*parts: Condition) -> Condition:
    return Condition("all_of", parts=parts)


def any_of(*parts: Condition) -> Condition:
    return Condition("any_of", parts=parts)


@dataclass(frozen=True, slots=True)
class Put:
    """The whole item, replacing what was there."""

    item: Item
    when: Condition | None = None

    @property
    def key(self) -> Key:
        return Key(self.item["pk"], self.item["sk"])


@dataclass(frozen=True, slots=True)
class Update:
    """Changes attributes; makes the item if it is absent and the condition allows. `add` counts from 0."""

    key: Key
    set: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, int] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Deleting what is absent is no error unless the condition says so."""

    key: Key
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Only in transactions: nothing is written, the condition must hold."""

    key: Key
    when: Condition


Write = Put | Update | Delete | Check


class ConditionFailed(Exception):
    """The condition of a single write did not hold. `item` is what stands there, None if nothing."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition did not hold")
        self.item = item


class TransactionCancelled(Exception):
    """Nothing of the transaction was written. `failed` maps the positions of the writes whose condition did not
    hold to the items that stand there (None if nothing)."""

    def __init__(self, failed: Mapping[int, Item | None]) -> None:
        super().__init__(f"conditions {sorted(failed)} did not hold")
        self.failed = failed


class OutcomeUnknown(Unavailable):
    """The store did not say whether the write took effect. Read to find out, or repeat what is safe to repeat."""


class Table(Protocol):
    """See the module's docstring for the promises. Any method may raise `Unavailable` (throttled, conflict, down)."""

    def get(self, key: Key) -> Item | None:
        """One item, or None."""
        ...

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """Those that exist, each read consistently (not one snapshot). Any number of keys; doubles are fine."""
        ...

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
        """Items of one partition in sk order (index: by the index's sk).

        prefix   only sks that begin so
        after    only sks beyond this one in the direction asked for; with `prefix` it need not begin so
        until    only sks up to and including this one (ascending, without `prefix`)
        cursor   `next` of the page before; raises Invalid if it is not one of this query's
        limit    1–1000 items; a page also ends at 1 MB, so a short page is not the last: `next` is None there
        """
        ...

    def put(self, item: Item, when: Condition | None = None, *, relaxed: bool = False) -> None:
        """Raises ConditionFailed."""
        ...

    def put_many(self, items: Sequence[Item], *, relaxed: bool = False) -> None:
        """Unconditional puts, each atomic, together not. Different keys; any number."""
        ...

    def update(self, change: Update, *, relaxed: bool = False) -> Item:
        """The item as it is afterwards. Raises ConditionFailed."""
        ...

    def delete(self, key: Key, when: Condition | None = None, *, relaxed: bool = False) -> None:
        """Raises ConditionFailed."""
        ...

    def transact(self, writes: Sequence[Write], *, relaxed: bool = False) -> None:
        """All or nothing, 1–100 writes on different keys. Raises TransactionCancelled, OutcomeUnknown."""
        ...

    def epoch(self) -> object:
        """Compares equal to an earlier answer only while what was read then may still be served from memory.

        On one machine: exact, any write by any process changes it. Across several: changes every 5 s, and with
        each write of this process.
        """
        ...
