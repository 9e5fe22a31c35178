"""Numbers in versions have no limit; Python refuses to read those of more than 4 300 digits, and takes long before."""

from __future__ import annotations

from typing import Any

# Sorts like the version that it was made from; of no use otherwise.
Key = tuple[Any, ...]


def magnitude(digits: str) -> tuple[int, str]:
    """Sorts as the number does that the digits stand for; "" is 0."""
    significant = digits.lstrip("0")
    return (len(significant), significant)


def order(one: Key, other: Key) -> int:
    return (one > other) - (one < other)
