"""Pulls, pushes and stored bytes of an instance, hour by hour. Counters are added to, never counted anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

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
        try:
            instance = self._instances.get(instance_id)
        except NotFound:
            return
        if instance.state == "releasing":
            return
        now = self._stack.clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        change = {"time": hour.strftime(_HOUR), "expires": int((hour + KEPT).timestamp())}
        storage = self._storage(instance, now.timestamp())
        if storage is not None:
            change["storage"] = storage
        key = keys.series(instance_id, hour.strftime(_HOUR))
        self._stack.table.update(Update(key, set=change, add={"pulls": pulls, "pushes": pushes}), relaxed=True)

    def hours(self, instance_id: str, since: datetime, until: datetime) -> tuple[Hour, ...]:
        """Those in which something happened, oldest first, from the hour of `since` to that of `until`."""
        partition = keys.series_partition(instance_id)
        before_first = keys.series(instance_id, (since - timedelta(hours=1)).strftime(_HOUR)).sk
        last = keys.series(instance_id, until.strftime(_HOUR)).sk
        rows = every(
            lambda cursor: self._stack.table.query(partition, after=before_first, until=last, cursor=cursor, limit=1000)
        )
        return tuple(_hour(row) for row in rows)

    def _storage(self, instance: Instance, now: float) -> int | None:
        if now - self._noted.get(instance.id, 0.0) < STORAGE_EVERY_S:
            return None
        self._noted[instance.id] = now
        return self._instances.usage(instance).storage.used


def _hour(item: Item) -> Hour:
    time = datetime.strptime(item["time"], _HOUR).replace(tzinfo=UTC)
    return Hour(time, int(item["pulls"]), int(item["pushes"]), item.get("storage"))
