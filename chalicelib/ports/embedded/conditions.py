"""Whether a condition holds, and what an update makes of an item. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.ports.table import Condition, Item, Update

_KEY_NAMES = frozenset({"pk", "sk"})


def holds(condition: Condition | None, item: Item | None) -> bool:
    """`item` is what stands there, None if nothing. Values of different types are never equal, above or below."""
    if condition is None:
        return True
    operator = condition.operator
    if operator == "all_of":
        return all(holds(part, item) for part in condition.parts)
    if operator == "any_of":
        return any(holds(part, item) for part in condition.parts)
    exists = item is not None and condition.name in item
    if operator == "absent":
        return not exists
    if operator == "present":
        return exists
    return item is not None and exists and _compares(operator, item[condition.name], condition.value)


def updated(item: Item | None, change: Update) -> dict[str, Any]:
    """The item after the change. Raises ValueError where DynamoDB would refuse it."""
    names = [*change.set, *change.add, *change.remove]
    if len(set(names)) != len(names):
        raise ValueError("an update names an attribute once only")
    if not _KEY_NAMES.isdisjoint(names):
        raise ValueError("an update cannot change the item's key")
    after: dict[str, Any] = dict(item) if item is not None else {"pk": change.key[0], "sk": change.key[1]}
    after.update(change.set)
    for name, amount in change.add.items():
        before = after.get(name, 0)
        if not _is_number(before) or not _is_number(amount):
            raise ValueError(f"only numbers are counted, and {name} is none")
        after[name] = before + amount
    for name in change.remove:
        after.pop(name, None)
    return after


def _compares(operator: str, value: Any, wanted: Any) -> bool:
    if operator == "equals":
        return _same(value, wanted)
    comparable = (_is_number(value) and _is_number(wanted)) or (isinstance(value, str) and isinstance(wanted, str))
    if not comparable:
        return False
    return bool(value >= wanted) if operator == "at_least" else bool(value <= wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _same(left: Any, right: Any) -> bool:
    """Equality that tells True from 1, which Python does not."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(part, right[name]) for name, part in left.items())
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)
