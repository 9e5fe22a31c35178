"""Rows of vulnerability databases, and the keys of their objects.

    LEFTOVER  ─► objects, whole ─► one transaction: DATABASE row, CURRENT (at the version seen), LEFTOVER goes
    LEFTOVER and DATABASE row change places (CURRENT names another) ─► objects go ─► LEFTOVER goes

So CURRENT only ever names objects that are whole, and whatever a crash leaves behind has a row that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from chalicelib.advisories.database import DATABASE_FILE, METADATA_FILE
from chalicelib.kernel.paging import every
from chalicelib.ports import paths
from chalicelib.ports import scan_keys as keys
from chalicelib.ports.table import Check, Condition, Delete, Item, Put, Table, Write, absent, equals

from .database_models import DatabaseCheck, DatabasePointer, DatabaseRecord

# What `database_rows` makes of a database, beside its two files.
ROWS_FILE: Final = "rows"
FILES: Final = (DATABASE_FILE, METADATA_FILE, ROWS_FILE)


class Leftover(NamedTuple):
    """multipart: of the upload under way, "" for none. due_at: not before then it is anybody's to clear away."""

    digest: str
    attempt: str
    multipart: str
    due_at: str


def object_key(digest: str, attempt: str, name: str) -> str:
    """An import has objects of its own: a database that comes again never meets what is being deleted of the first."""
    return paths.database_file(digest, f"{attempt}/{name}")


def pointer(table: Table) -> DatabasePointer | None:
    item = table.get(keys.current_database())
    return None if item is None else DatabasePointer.model_validate(item)


def record(table: Table, digest: str) -> DatabaseRecord | None:
    item = table.get(keys.database(digest))
    return None if item is None else DatabaseRecord.model_validate(item)


def records(table: Table) -> list[DatabaseRecord]:
    """Newest import first."""
    prefix = keys.database("").sk
    found = every(lambda cursor: table.query(keys.DATABASES, prefix=prefix, cursor=cursor))
    return sorted(
        (DatabaseRecord.model_validate(item) for item in found), key=lambda one: one.imported_at, reverse=True
    )


def check(table: Table) -> DatabaseCheck:
    item = table.get(keys.database_check())
    return DatabaseCheck() if item is None else DatabaseCheck.model_validate(item)


def check_written(table: Table, wanted: DatabaseCheck, when: Condition | None = None) -> None:
    """Raises ConditionFailed."""
    table.put({**keys.database_check()._asdict(), **wanted.model_dump(mode="json")}, when)


def unclaimed(seen: DatabaseCheck) -> Condition:
    """Nobody took up the check since it was seen so."""
    return equals("claimed_until", seen.claimed_until) if seen != DatabaseCheck() else absent()


def switched(wanted: DatabasePointer, seen: DatabasePointer | None) -> Put:
    fields = {"digest": wanted.record.digest, **wanted.model_dump(mode="json")}
    when = equals("version", seen.version) if seen else absent()
    return Put({**keys.current_database()._asdict(), **fields}, when)


def made(wanted: DatabaseRecord) -> list[Write]:
    """A database that is whole; it was none before, and its objects are left over no more."""
    row = Put({**keys.database(wanted.digest)._asdict(), **wanted.model_dump(mode="json")}, absent())
    return [row, Delete(keys.database_leftover(wanted.attempt))]


def changed(wanted: DatabaseRecord) -> Put:
    """What is known of a database that is there."""
    fields = wanted.model_dump(mode="json")
    return Put({**keys.database(wanted.digest)._asdict(), **fields}, equals("attempt", wanted.attempt))


def still_there(known: DatabaseRecord) -> Check:
    return Check(keys.database(known.digest), equals("attempt", known.attempt))


def dropped(known: DatabaseRecord, seen: DatabasePointer, due_at: str) -> list[Write]:
    """A database that is not used goes, as long as the pointer stands where it was seen."""
    return [
        Delete(keys.database(known.digest), equals("attempt", known.attempt)),
        leaving(Leftover(known.digest, known.attempt, "", due_at)),
        Check(keys.current_database(), equals("version", seen.version)),
    ]


def leaving(left: Leftover) -> Put:
    fields: Mapping[str, Any] = {**left._asdict(), "schema_version": 1}
    return Put({**keys.database_leftover(left.attempt)._asdict(), **fields})


def leftovers(table: Table) -> list[Leftover]:
    prefix = keys.database_leftover("").sk
    found = every(lambda cursor: table.query(keys.DATABASES, prefix=prefix, cursor=cursor))
    return [_leftover(item) for item in found]


def _leftover(item: Item) -> Leftover:
    return Leftover(item["digest"], item["attempt"], item["multipart"], item["due_at"])
