"""Items of immutability policies."""

from __future__ import annotations

from chalicelib.ports import keys
from chalicelib.ports.table import Check, Condition, Item, Put, absent, equals

from .models import Policy


def as_seen(version: int) -> Condition:
    return equals("version", version) if version else absent()


def check(namespace_id: str, shard: int, version: int) -> Check:
    return Check(keys.policy(namespace_id, shard), as_seen(version))


def read(namespace_id: str, item: Item | None) -> Policy:
    return Policy(namespace_id=namespace_id) if item is None else Policy.model_validate(item)


def replacement(wanted: Policy) -> list[Put]:
    """Every copy, if each is at the version before."""
    fields = wanted.model_dump(mode="json")
    return [
        Put({**keys.policy(wanted.namespace_id, shard)._asdict(), **fields}, as_seen(wanted.version - 1))
        for shard in range(keys.POLICY_SHARDS)
    ]
