"""Ids that sort by the time they were made and are never given twice (ULID: 48 bits of milliseconds, 80 random)."""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DIGITS = [first + second for first in _ALPHABET for second in _ALPHABET]


def new_id() -> str:
    """A fresh ULID: 26 characters of Crockford's base 32."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    pairs = []
    for _ in range(13):
        value, pair = divmod(value, 1024)
        pairs.append(_DIGITS[pair])
    return "".join(reversed(pairs))


def is_id(text: str) -> bool:
    """Whether the text has the shape of an id of ours."""
    return len(text) == 26 and all(character in _ALPHABET for character in text)
