"""Items of remotes. A name has a row of its own, so that it is given once."""

from __future__ import annotations

from typing import Any

from chalicelib.kernel.paging import Page
from chalicelib.ports import remotes_keys as keys
from chalicelib.ports.passes import rows_wanted
from chalicelib.ports.table import Check, Delete, Item, Put, Table, Write, absent, equals

from .models import Remote, RemoteQuery


def load(table: Table, instance_id: str, remote_id: str) -> Remote | None:
    row = table.get(keys.remote(instance_id, remote_id))
    return None if row is None else Remote.model_validate(row)


def id_named(table: Table, instance_id: str, name: str) -> str | None:
    row = table.get(keys.remote_name(instance_id, name))
    return None if row is None else str(row["id"])


def page(table: Table, instance_id: str, query: RemoteQuery) -> Page[Remote]:
    """In the order they were made, or backwards."""
    wanted = query.search.lower()

    def fits(row: Item) -> bool:
        return any(wanted in row[name].lower() for name in ("name", "host", "remark"))

    first, descending = keys.remote(instance_id, ""), query.sort == "-created_at"
    found = rows_wanted(table, first, fits, query.cursor, query.limit, descending=descending)
    return found.map(Remote.model_validate)


def creation(remote: Remote) -> list[Write]:
    """The name is the first."""
    return [_name(remote), Put(_item(remote), absent())]


def replacement(seen: Remote, wanted: Remote) -> list[Write]:
    """The row is the first; a new name the second."""
    row = Put(_item(wanted), equals("version", seen.version))
    if seen.name == wanted.name:
        return [row]
    return [row, _name(wanted), Delete(keys.remote_name(seen.instance_id, seen.name), equals("id", seen.id))]


def deletion(seen: Remote) -> list[Write]:
    return [
        Delete(keys.remote(seen.instance_id, seen.id), equals("version", seen.version)),
        Delete(keys.remote_name(seen.instance_id, seen.name), equals("id", seen.id)),
    ]


def unchanged(seen: Remote) -> Check:
    return Check(keys.remote(seen.instance_id, seen.id), equals("version", seen.version))


def _name(remote: Remote) -> Put:
    return Put({**keys.remote_name(remote.instance_id, remote.name)._asdict(), "id": remote.id}, absent())


def _item(remote: Remote) -> dict[str, Any]:
    return {**keys.remote(remote.instance_id, remote.id)._asdict(), **remote.model_dump()}
