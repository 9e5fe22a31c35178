"""Items ↔ models, in the audit table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chalicelib.kernel.paging import every
from chalicelib.ports import audit_keys
from chalicelib.ports.table import Item, Put, Table, Write, absent, equals

from . import rules
from .models import Entry, Seal

_PAGE = 1000


def entry_item(entry: Entry) -> dict[str, Any]:
    key = audit_keys.audit_entry(entry.scope, rules.day_of(entry.id), entry.id)
    index = {"i1pk": audit_keys.audit_type(entry.scope, entry.object_type), "i1sk": entry.id}
    plain = {
        name: rules.clipped(value) if isinstance(value, str) else value for name, value in entry.model_dump().items()
    }
    return {"pk": key.pk, "sk": key.sk, **index, **plain}


def stands(table: Table, scope: str, entry: str) -> bool:
    return table.get(audit_keys.audit_entry(scope, rules.day_of(entry), entry)) is not None


def note_item(scope: str, minute: str) -> dict[str, Any]:
    return {**audit_keys.unsealed(scope, minute)._asdict(), "scope": scope, "minute": minute}


def entries_of_minute(table: Table, scope: str, minute: str) -> Iterator[Item]:
    """In the order of ids, each as it lies in the table."""
    before, last = rules.bounds(minute)
    pk, after, until = audit_keys.audit_day(scope, minute[:10]), f"ENTRY#{before}", f"ENTRY#{last}"
    return every(lambda cursor: table.query(pk, after=after, until=until, cursor=cursor, limit=_PAGE))


def partition(table: Table, pk: str, prefix: str = "") -> Iterator[Item]:
    """All of one partition, ascending."""
    return every(lambda cursor: table.query(pk, prefix=prefix, cursor=cursor, limit=_PAGE))


def last_seal(table: Table, scope: str) -> Seal | None:
    item = table.get(audit_keys.last_seal(scope))
    return None if item is None else Seal.model_validate(item)


def first_minute(table: Table, scope: str) -> str:
    """The first sealed minute of the scope, "" before there is one."""
    found = table.query(audit_keys.seals_partition(scope), prefix="SEAL#", limit=1).items
    return str(found[0]["minute"]) if found else ""


def sealing(seal: Seal) -> list[Write]:
    """Takes effect once, and only behind the seal before: two sealers cannot make two chains."""
    plain = seal.model_dump()
    behind = equals("hash", seal.previous) if seal.previous else absent()
    return [
        Put({**audit_keys.seal(seal.scope, seal.minute)._asdict(), **plain}, absent()),
        Put({**audit_keys.last_seal(seal.scope)._asdict(), **plain}, behind),
    ]
