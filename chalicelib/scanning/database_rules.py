"""Which database may follow upon which, and how old one may be. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from chalicelib.advisories.models import DatabaseMetadata
from chalicelib.kernel.errors import Invalid

from .database_models import DatabaseCheck, DatabasePointer, DatabaseRecord, DatabaseState, VulnerabilityDatabase

FORMAT: Final = 2
# Rebuilt every six hours: six times in a row it came to nothing.
STALE_AFTER: Final = timedelta(hours=36)
# Clocks differ.
_AHEAD_MOST: Final = timedelta(days=1)
# Advisories are hardly ever withdrawn. A database that lost so many was not built whole.
_LOST_MOST: Final = 0.05
# One that grew so fast was built of something else. Between databases that are further apart, growth says nothing.
_GROWN_MOST: Final = 0.05
_CLOSE: Final = timedelta(days=7)


def moment(text: str) -> datetime:
    """RFC 3339, with as many digits of a second as anybody likes. Raises Invalid naming `metadata`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as malformed:
        raise Invalid("metadata", f"metadata.json has {text[:64]!r} for a time") from malformed
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def check_metadata(metadata: DatabaseMetadata, now: datetime) -> None:
    """Raises Invalid where the database is of a format, or of a time, that cannot be."""
    if metadata.version != FORMAT:
        raise Invalid("metadata", f"the database has format {metadata.version}; format {FORMAT} is read here")
    if moment(metadata.updated_at) > now + _AHEAD_MOST:
        raise Invalid("metadata", f"the database says it was built at {metadata.updated_at}, which is in the future")


def check_succession(metadata: DatabaseMetadata, rows: int, last: DatabaseRecord | None) -> None:
    """Raises Invalid, saying why, where a database had better not follow upon the last one."""
    if rows == 0:
        raise Invalid("database", "the database has no advisories")
    if last is None or (last.demonstration and not metadata.demonstration):
        return
    if metadata.demonstration and not last.demonstration:
        raise Invalid("database", "a demonstration does not take the place of a real database")
    apart = moment(metadata.updated_at) - moment(last.updated_at)
    if apart < timedelta(0):
        raise Invalid(
            "database", f"the database of {last.updated_at} in use is newer than this of {metadata.updated_at}"
        )
    if metadata.demonstration:
        return
    grown = (rows - last.rows) / max(last.rows, 1)
    if grown < -_LOST_MOST or (grown > _GROWN_MOST and apart < _CLOSE):
        raise Invalid("database", f"the database has {rows} rows where the last one had {last.rows}: more than 5 % off")


def is_younger(metadata: DatabaseMetadata, known: DatabaseRecord) -> bool:
    return moment(metadata.updated_at) > moment(known.updated_at)


def seen(pointer: DatabasePointer | None, check: DatabaseCheck, now: datetime) -> VulnerabilityDatabase:
    """What people are told."""
    last_check, last_error = check.checked_at or None, check.error or None
    if pointer is None:
        return VulnerabilityDatabase(state="none", last_check=last_check, last_error=last_error)
    record = pointer.record
    age = now - moment(record.updated_at)
    state: DatabaseState = "stale" if age > STALE_AFTER else "current"
    return VulnerabilityDatabase(
        state="demonstration" if record.demonstration else state,
        version=record.version,
        digest=record.digest,
        updated_at=record.updated_at,
        next_update=record.next_update or None,
        age_seconds=max(0, int(age.total_seconds())),
        imported_at=record.imported_at,
        source=record.source,
        last_check=last_check,
        last_error=last_error,
    )
