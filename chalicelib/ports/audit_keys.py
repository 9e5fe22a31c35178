"""Every key of the audit table, in one place.

The audit table (scope: an instance or an account; nothing else is in it)

  AUDIT#<scope>#<day>         ENTRY#<ulid>                           who did what; i1: AUDIT#<scope>#TYPE#<object type>
  SEALS#<scope>               SEAL#<minute>                          hash of a minute's entries and of the seal before
  SEALS#<scope>               HEAD                                   the last seal
  UNSEALED#<0..3>             <minute>#<scope>                       a minute in which somebody writes, to be sealed
"""

from __future__ import annotations

from zlib import crc32

from .keys import DUE_SHARDS
from .table import Key


def audit_day(scope: str, day: str) -> str:
    """day: `2026-01-31`."""
    return f"AUDIT#{scope}#{day}"


def audit_entry(scope: str, day: str, entry: str) -> Key:
    return Key(audit_day(scope, day), f"ENTRY#{entry}")


def audit_type(scope: str, object_type: str) -> str:
    """Partition of index 1 that holds a scope's entries about one type of object, by id."""
    return f"AUDIT#{scope}#TYPE#{object_type}"


def seals_partition(scope: str) -> str:
    return f"SEALS#{scope}"


def seal(scope: str, minute: str) -> Key:
    """minute: `2026-01-31T08:00`."""
    return Key(f"SEALS#{scope}", f"SEAL#{minute}")


def last_seal(scope: str) -> Key:
    return Key(f"SEALS#{scope}", "HEAD")


def unsealed_partitions() -> tuple[str, ...]:
    return tuple(f"UNSEALED#{shard}" for shard in range(DUE_SHARDS))


def unsealed(scope: str, minute: str) -> Key:
    """All minutes of a scope are in one partition, and so are sealed in their order."""
    return Key(f"UNSEALED#{crc32(scope.encode()) % DUE_SHARDS}", f"{minute}#{scope}")
