"""What a database says of which package, as numbers that can be compared without it.

    one number a (platform, package):   fingerprint of the two names (32 bits) · digest of all that is said (32 bits)

1.2 million rows are 10 MB, sorted. A change goes unseen once in four thousand million. Whose images a new database
concerns is told by those numbers alone: the old database does not have to be here any more.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from chalicelib.advisories.fingerprints import fingerprint

_BITS: Final = 32
# Rows are compared in portions, by so many of their first bits: two whole databases as sets would take 300 MB.
_PORTION_BITS: Final = 6


def numbered(rows: Iterable[tuple[str, str, bytes]]) -> array[int]:
    """Sorted numbers of a database's rows (`advisories.database.Database.rows`)."""
    numbers = array("Q")
    for platform, package, digest in rows:
        numbers.append(fingerprint(platform, package) << _BITS | int.from_bytes(digest[:4], "big"))
    return array("Q", sorted(numbers))


def advised(rows: Iterable[tuple[str, str, bytes]], counted: Counter[str]) -> Iterator[tuple[str, str, bytes]]:
    """The same rows. counted["packages"]: of how many packages, each of one platform, there are advisories."""
    for row in rows:
        counted["packages"] += bool(row[1])
        yield row


def packed(numbers: array[int]) -> bytes:
    return _little_endian(numbers).tobytes()


def unpacked(data: bytes) -> array[int]:
    """Raises ValueError for what is no such list."""
    numbers = array("Q")
    numbers.frombytes(data)
    return _little_endian(numbers)


def changed(one: array[int], other: array[int]) -> frozenset[int]:
    """Fingerprints of the packages of which the two say different things."""
    found: set[int] = set()
    shift = 64 - _PORTION_BITS
    for portion in range(1 << _PORTION_BITS):
        start, end = portion << shift, portion + 1 << shift
        different = _between(one, start, end) ^ _between(other, start, end)
        found.update(number >> _BITS for number in different)
    return frozenset(found)


def _between(numbers: array[int], start: int, end: int) -> set[int]:
    return set(numbers[bisect_left(numbers, start) : bisect_left(numbers, end)])


def _little_endian(numbers: array[int]) -> array[int]:
    if sys.byteorder == "little":
        return numbers
    swapped = array("Q", numbers)
    swapped.byteswap()
    return swapped
