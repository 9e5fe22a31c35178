"""The item of an instance's allowlist."""

from __future__ import annotations

from chalicelib.ports import keys
from chalicelib.ports.table import Item, Put, Table, absent, equals

from .models import Allowlist


def load(table: Table, instance_id: str) -> Allowlist:
    return read(table.get(keys.allowlist(instance_id)))


def read(item: Item | None) -> Allowlist:
    return Allowlist() if item is None else Allowlist.model_validate(item)


def replacement(instance_id: str, seen: Allowlist, wanted: Allowlist) -> Put:
    """The write that puts `wanted` in the place of what was seen, if that still stands."""
    unchanged = absent() if seen.version == 0 else equals("version", seen.version)
    return Put({**keys.allowlist(instance_id)._asdict(), **wanted.model_dump(mode="json")}, unchanged)
