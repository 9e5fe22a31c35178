"""Pure decisions: which minute an entry belongs to, what a seal hashes, what a filter lets through, what is recorded.

minute M ├─ filing, entries' ids ─┤                       M is closed, late pushes still file    nobody files    sealed
─────────┴────────────────────────┴── FILED_WITHIN (2 min) ──────────────────────────────┴── 1 min ──┴──►
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from chalicelib.kernel.ids import GREATEST_TAIL, LEAST_TAIL, id_at, moment_of
from chalicelib.kernel.moment import to_text

from .models import Filter

# A push is told of again after 45 s and the sweep that does it runs every minute: so late may its event be and still
# be filed under the minute of the push. What comes later is filed under the minute it comes in.
FILED_WITHIN: Final = timedelta(minutes=2)
# Clocks of several machines, and a write that is slow: from the last moment to file on, a minute more.
SEALED_AFTER: Final = FILED_WITHIN + timedelta(minutes=1)
# Counts are filed a minute after what they count, pushes at most so late unless their events were held up.
LATE: Final = timedelta(minutes=10)
_MINUTE: Final = timedelta(minutes=1)
# No field of an entry is longer: names have 255 characters, and paths can be anything.
_LONGEST_FIELD: Final = 512

# Of nobody who is known, or too many to keep one by one.
COUNTED: Final = frozenset({"UNAUTHENTICATED", "TOO_MANY_REQUESTS", "ADDRESS_NOT_ALLOWED"})
# What was refused of a read because of who asked: the other refusals only say that there was a mistake in it.
_REFUSED_READS: Final = frozenset({"DENIED", "NOT_FOUND", "EDITION_REQUIRED", "INSTANCE_FROZEN", "QUOTA_EXCEEDED"})

Treatment = Literal["entry", "count", "nothing"]


def treatment(refused: str, *, known: bool, changes: bool) -> Treatment:
    if refused in COUNTED:
        return "count"
    if not known:
        return "nothing"
    return "entry" if changes or refused in _REFUSED_READS else "nothing"


def clipped(text: str) -> str:
    return text if len(text) <= _LONGEST_FIELD else text[: _LONGEST_FIELD - 1] + "…"


def minute_of(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def start_of(minute: str) -> datetime:
    return datetime.strptime(minute, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)


def day_of(entry: str) -> str:
    return moment_of(entry).strftime("%Y-%m-%d")


def bounds(minute: str) -> tuple[str, str]:
    """The last id before the minute and the last one in it."""
    start = start_of(minute)
    before = id_at(start - timedelta(milliseconds=1), GREATEST_TAIL)
    return before, id_at(start + _MINUTE - timedelta(milliseconds=1), GREATEST_TAIL)


def may_file(entry: str, now: datetime) -> bool:
    """Whether the minute of an entry with this id still takes it."""
    return now < start_of(minute_of(moment_of(entry))) + _MINUTE + FILED_WITHIN


def last_to_seal(now: datetime) -> str:
    """The last minute that is to be sealed by now."""
    return minute_of(now - SEALED_AFTER - _MINUTE)


class MinuteHash:
    """SHA-256 of one line of canonical JSON for the seal, then one for each entry in the order of ids: sorted names,
    no spaces, ASCII, ends with a line feed."""

    def __init__(self, scope: str, minute: str, number: int, previous: str) -> None:
        head = {"scope": scope, "minute": minute, "number": number, "previous": previous}
        self._hash = hashlib.sha256(_canonical(head))
        self.entries = 0

    def add(self, item: Mapping[str, Any]) -> None:
        """All of the item, keys and index included."""
        self._hash.update(_canonical(item))
        self.entries += 1

    def hex(self) -> str:
        return self._hash.hexdigest()


def _canonical(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), default=repr).encode() + b"\n"


# Filters


def latest_id(wanted: Filter, now: datetime) -> str:
    """Below the answer lies everything that the filter can let through."""
    end = now if wanted.until is None or wanted.until >= now else min(now, wanted.until + LATE)
    return id_at(end + timedelta(milliseconds=1), LEAST_TAIL)


def lets_through(wanted: Filter, item: Mapping[str, Any]) -> bool:
    if wanted.object_type and item["object_type"] != wanted.object_type:
        return False
    if wanted.since is not None or wanted.until is not None:
        filed = moment_of(item["id"])
        # What came very late is placed by its filing, or no search by time would be bounded.
        time = item["time"] if item["time"] >= to_text(filed - LATE) else to_text(filed)
        too_old = wanted.since is not None and time < to_text(wanted.since)
        too_new = wanted.until is not None and time > to_text(wanted.until)
        if too_old or too_new:
            return False
    if not wanted.keyword:
        return True
    keyword = wanted.keyword.casefold()
    return any(keyword in str(item[name]).casefold() for name in _SEARCHED)


_SEARCHED: Final = ("user", "namespace", "repository", "action", "source_ip")
