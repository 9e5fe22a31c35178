"""Pure decisions about series, and about what of all that happened is shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Final

from chalicelib.audit.models import SUCCEEDED, Entry
from chalicelib.registry.series import Hour
from chalicelib.tasks.models import Task

from .models import NextRun, Point, RecentPush

# Beyond a week, hours are too fine to look at.
HOURLY_DAYS: Final = 7
FAILURES_SHOWN_FOR: Final = timedelta(days=7)
_MOST_FAILURES: Final = 5
_MOST_SHOWN: Final = 8


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


def failures(tasks: Iterable[Task], now: datetime) -> tuple[Task, ...]:
    """Of tasks, newest first, those that failed not long ago."""
    since = now - FAILURES_SHOWN_FOR
    failed = [one for one in tasks if one.state == "failed" and one.finished_at is not None and one.finished_at > since]
    return tuple(failed[:_MOST_FAILURES])


def soonest(runs: Iterable[NextRun]) -> tuple[NextRun, ...]:
    return tuple(sorted(runs, key=lambda run: run.time)[:_MOST_SHOWN])


def pushes(entries: Iterable[Entry]) -> tuple[RecentPush, ...]:
    """Of entries about tags, newest first, the pushes that went well."""
    pushed = (entry for entry in entries if entry.action == "push" and entry.result == SUCCEEDED)
    return tuple(_push(entry) for entry in islice(pushed, _MOST_SHOWN))


def _push(entry: Entry) -> RecentPush:
    tags, _, digest = entry.object.rpartition("@")
    return RecentPush(
        time=entry.time,
        repository=entry.repository,
        tags=tuple(tag for tag in tags.split(", ") if tag),
        digest=digest,
        user=entry.user,
    )


def _day(time: datetime) -> datetime:
    return time.replace(hour=0)
