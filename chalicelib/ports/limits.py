"""What DynamoDB refuses, refused before anything is written. It is a defect of the caller, hence a ValueError."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .table import ITEM_LIMIT_BYTES, PK_LIMIT_BYTES, SK_LIMIT_BYTES, TRANSACTION_LIMIT_ITEMS, Item, Key, Write

# Attributes that have to be non-empty text wherever they appear, and the most bytes each may have.
KEY_LIMITS: Final = {
    "pk": PK_LIMIT_BYTES,
    "sk": SK_LIMIT_BYTES,
    "i1pk": PK_LIMIT_BYTES,
    "i1sk": SK_LIMIT_BYTES,
    "i2pk": PK_LIMIT_BYTES,
    "i2sk": SK_LIMIT_BYTES,
}
TRANSACTION_LIMIT_BYTES: Final = 4 * 1024 * 1024
_INT_LIMIT: Final = 10**38
_NESTING_LIMIT: Final = 32


def check_key(key: Key) -> None:
    """Raises ValueError on an empty, overlong or unencodable key."""
    _check_key_part("pk", key[0])
    _check_key_part("sk", key[1])


def check_item(item: Item) -> int:
    """The item's size in bytes as DynamoDB counts it. Raises ValueError."""
    size = 0
    for name, value in item.items():
        if name in KEY_LIMITS:
            _check_key_part(name, value)
        size += _name_size(name) + _value_size(value, 1)
    if "pk" not in item or "sk" not in item:
        raise ValueError("an item needs pk and sk")
    if size > ITEM_LIMIT_BYTES:
        raise ValueError(f"the item has {size} bytes, more than {ITEM_LIMIT_BYTES}")
    return size


def check_distinct(keys: Sequence[Key]) -> None:
    """Raises ValueError if a key appears twice."""
    if len(set(keys)) != len(keys):
        raise ValueError("the same item may be written once only")


def check_transaction(writes: Sequence[Write]) -> None:
    """Raises ValueError on too few or too many writes, or two on one item."""
    if not 1 <= len(writes) <= TRANSACTION_LIMIT_ITEMS:
        raise ValueError(f"a transaction has 1–{TRANSACTION_LIMIT_ITEMS} writes, not {len(writes)}")
    try:
        check_distinct([write.key for write in writes])
    except KeyError as error:
        raise ValueError("an item needs pk and sk") from error


def _check_key_part(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} has to be text of at least one character")
    limit = KEY_LIMITS[name]
    # Text has at most 4 bytes a character: most keys need no encoding to be known as short enough.
    if len(value) * 4 > limit and len(value.encode()) > limit:
        raise ValueError(f"{name} may have at most {limit} bytes")


def _name_size(name: Any) -> int:
    if not isinstance(name, str) or not name:
        raise ValueError("attributes are named by text of at least one character")
    return len(name) if name.isascii() else len(name.encode())


def _value_size(value: Any, depth: int) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, int):
        if abs(value) >= _INT_LIMIT:
            raise ValueError("a number has at most 38 digits")
        return len(str(value)) // 2 + 2
    if isinstance(value, bytes):
        return len(value)
    if depth >= _NESTING_LIMIT:
        raise ValueError(f"an item is nested at most {_NESTING_LIMIT} deep")
    if isinstance(value, list | tuple):
        return 3 + sum(1 + _value_size(part, depth + 1) for part in value)
    if isinstance(value, Mapping):
        return 3 + sum(1 + _name_size(name) + _value_size(part, depth + 1) for name, part in value.items())
    raise ValueError(f"an attribute cannot be a {type(value).__name__}")
