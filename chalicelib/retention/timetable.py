"""When a schedule fires: cron expressions of five fields in a time zone, across changes of the clock.

    the clock jumps ahead    what was to fire in the hour that does not exist fires once, right after it
    the clock is put back    what names an hour fires in the first of the two; what fires every hour (`*`) in both

Source: cron(8) of Debian, whose rules cronsim follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

LONGEST: Final = 100
_FIELDS: Final = re.compile(r"[0-9A-Za-z*,/#-]+(?:[ \t]+[0-9A-Za-z*,/#-]+){4}", re.ASCII)
_NAMES: Final = ("minute", "hour", "day of month", "month", "day of week")
# Any moment serves to see whether an expression is sound; in 50 years from there every day of a calendar comes.
_SOME_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)


@cache
def _zones() -> frozenset[str]:
    # These two are what the machine happens to be set to.
    return frozenset(available_timezones() - {"localtime", "posixrules"})


def require_zone(name: str) -> str:
    """Raises ValueError."""
    if name not in _zones():
        raise ValueError("is no time zone; give one of the IANA database, such as Europe/Berlin or UTC")
    return name


def require_cron(expression: str) -> str:
    """Raises ValueError that names the field at fault."""
    if not _FIELDS.fullmatch(expression):
        message = "needs five fields: minute, hour, day of month, month, day of week, such as 30 2 * * *"
        raise ValueError(message)
    try:
        next(CronSim(expression, _SOME_DAY))
    except CronSimError as bad:
        field = str(bad).removeprefix("Bad ").replace("-", " ")
        given = expression.split()[_NAMES.index(field)]
        raise ValueError(f"{given!r} is no {field}, or none that ever comes") from bad
    except StopIteration:
        raise ValueError("never fires: there is no such day") from None
    return expression


def times(cron: str, zone: str, after: datetime) -> Iterator[datetime]:
    """When it fires, in UTC, each later than the one before and than `after`. Both were required to be sound."""
    last = after
    for local in CronSim(cron, after.astimezone(ZoneInfo(zone))):
        moment = local.astimezone(UTC)
        # From inside an hour that comes twice, times of its first coming are named once more.
        if moment > last:
            last = moment
            yield moment
