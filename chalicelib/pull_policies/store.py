"""Items of pull policies."""

from __future__ import annotations

from chalicelib.ports import scan_keys as keys
from chalicelib.ports.table import Item, Put, absent, equals

from .models import Policy


def read(namespace_id: str, item: Item | None) -> Policy:
    return Policy(namespace_id=namespace_id) if item is None else Policy.model_validate(item)


def replacement(wanted: Policy) -> Put:
    """If it is at the version before."""
    before = wanted.version - 1
    item = {**keys.pull_policy(wanted.namespace_id)._asdict(), **wanted.model_dump(mode="json")}
    return Put(item, equals("version", before) if before else absent())
