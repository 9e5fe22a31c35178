"""Pulls, pushes and stored bytes of an instance, hour by hour. Counters are added to, never counted anew.

An hour is a row for pulls and bytes, and some for pushes: each push adds to one of them in the transaction that settles
it, and transactions on one row would get in each other's way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final
from zlib import crc32

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.paging import every
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, Update

# The store may drop an hour after this long; the overview looks back a quarter of a year.
KEPT: Final = timedelta(days=400)
# Stored bytes are added up from as many as 16 counters, so a process notes them this often and not with each push.
STORAGE_EVERY_S: Final = 60.0
_HOUR: Final = "%Y-%m-%dT%H"


@dataclass(frozen=True, slots=True)
class Hour:
    """time: its beginning, in UTC; storage: bytes in use when it was noted last, None where it was not."""

    time: datetime
    pulls: int
    pushes: int
    storage: int | None


class Series:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)
        self._noted: dict[str, float] = stack.keep("storage noted", dict)

    def add(self, instance_id: str, *, pulls: int = 0, pushes: int = 0) -> None:
        """To the present hour; nothing for an instance that goes or is gone, whose last pulls are written late."""
        instance = self._staying(instance_id)
        if instance is None:
            return
        storage = self._storage(instance)
        noted = {} if storage is None else {"storage": storage}
        self._stack.table.update(self._update(instance_id, "", noted, pulls=pulls, pushes=pushes), relaxed=True)

    def of_push(self, instance_id: str, incarnation: str) -> tuple[Update, ...]:
        """The write that counts one push in the present hour, for a transaction that takes place once."""
        if self._staying(instance_id) is None:
            return ()
        shard = crc32(incarnation.encode()) % keys.SERIES_SHARDS
        return (self._update(instance_id, f"#{shard}", {}, pushes=1),)

    def note_storage(self, instance_id: str) -> None:
        """Bytes in use, where this process has not noted them for a while."""
        instance = self._staying(instance_id)
        storage = None if instance is None else self._storage(instance)
        if storage is not None:
            self._stack.table.update(self._update(instance_id, "", {"storage": storage}), relaxed=True)

    def _staying(self, instance_id: str) -> Instance | None:
        try:
            instance = self._instances.get(instance_id)
        except NotFound:
            return None
        return None if instance.state == "releasing" else instance

    def _update(
        self, instance_id: str, shard: str, noted: Mapping[str, int], *, pulls: int = 0, pushes: int = 0
    ) -> Update:
        hour = self._stack.clock.now().replace(minute=0, second=0, microsecond=0)
        time = hour.strftime(_HOUR)
        change = {"time": time, "expires": int((hour + KEPT).timestamp()), **noted}
        return Update(keys.series(instance_id, time + shard), set=change, add={"pulls": pulls, "pushes": pushes})

    def hours(self, instance_id: str, since: datetime, until: datetime) -> tuple[Hour, ...]:
        """Those in which something happened, oldest first, from the hour of `since` to that of `until`."""
        partition = keys.series_partition(instance_id)
        before_first = keys.series(instance_id, (since - timedelta(hours=1)).strftime(_HOUR) + "~").sk
        last = keys.series(instance_id, until.strftime(_HOUR) + "~").sk
        rows = every(
            lambda cursor: self._stack.table.query(partition, after=before_first, until=last, cursor=cursor, limit=1000)
        )
        return tuple(_hour(time, list(parts)) for time, parts in groupby(rows, lambda row: str(row["time"])))

    def _storage(self, instance: Instance) -> int | None:
        now = self._stack.clock.now().timestamp()
        if now - self._noted.get(instance.id, 0.0) < STORAGE_EVERY_S:
            return None
        self._noted[instance.id] = now
        return self._instances.usage(instance).storage.used


def _hour(time: str, rows: Sequence[Item]) -> Hour:
    pulls, pushes = (sum(int(row[name]) for row in rows) for name in ("pulls", "pushes"))
    storage = next((row["storage"] for row in rows if "storage" in row), None)
    return Hour(datetime.strptime(time, _HOUR).replace(tzinfo=UTC), pulls, pushes, storage)
