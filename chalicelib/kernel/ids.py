"""Ids that sort by the time they were made and are never given twice (ULID: 48 bits of milliseconds, 80 random)."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DIGITS = [first + second for first in _ALPHABET for second in _ALPHABET]
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAIL = 16

# Tails of the least and the greatest id of a millisecond.
LEAST_TAIL = _ALPHABET[0] * _TAIL
GREATEST_TAIL = _ALPHABET[-1] * _TAIL


def new_id() -> str:
    """A fresh ULID: 26 characters of Crockford's base 32."""
    return _spelled((time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10)))


def id_at(moment: datetime, tail: str = "") -> str:
    """The id of that moment which ends in `tail`, the last 16 characters of an id; in fresh ones without."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    fresh = _spelled(milliseconds << 80 | int.from_bytes(os.urandom(10)))
    return fresh[:-_TAIL] + tail if tail else fresh


def moment_of(own_id: str) -> datetime:
    """When the id was made, to the millisecond."""
    milliseconds = 0
    for character in own_id[:-_TAIL]:
        milliseconds = milliseconds << 5 | _VALUES[character]
    return _EPOCH + timedelta(milliseconds=milliseconds)


def tail_of(own_id: str) -> str:
    return own_id[-_TAIL:]


def _spelled(value: int) -> str:
    pairs = []
    for _ in range(13):
        value, pair = divmod(value, 1024)
        pairs.append(_DIGITS[pair])
    return "".join(reversed(pairs))


def is_id(text: str) -> bool:
    """Whether the text has the shape of an id of ours."""
    return len(text) == 26 and all(character in _ALPHABET for character in text)
