"""Pure decisions about series."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from chalicelib.registry.series import Hour

from .models import Point

# Beyond a week, hours are too fine to look at.
HOURLY_DAYS: Final = 7


def begin_of(now: datetime, days: int) -> datetime:
    """The first point of a series of so many days: a whole hour, or a whole day where days are its points."""
    hour = (now - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    return hour if days <= HOURLY_DAYS else hour.replace(hour=0)


def points(hours: Iterable[Hour], days: int) -> tuple[Point, ...]:
    """Hours, oldest first, as points: each hour, or each day (UTC) with pulls and pushes added up.

    Storage is what was noted last, in this point or before it.
    """
    found: list[Point] = []
    storage: int | None = None
    for time, group in groupby(hours, key=lambda hour: hour.time if days <= HOURLY_DAYS else _day(hour.time)):
        held = list(group)
        noted = [hour.storage for hour in held if hour.storage is not None]
        storage = noted[-1] if noted else storage
        pulls, pushes = sum(hour.pulls for hour in held), sum(hour.pushes for hour in held)
        found.append(Point(time=time, storage=storage, pulls=pulls, pushes=pushes))
    return tuple(found)


def _day(time: datetime) -> datetime:
    return time.replace(hour=0)
