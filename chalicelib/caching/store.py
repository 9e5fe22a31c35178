"""Items of caches."""

from __future__ import annotations

from chalicelib.ports import cache_keys as keys
from chalicelib.ports.table import Condition, Delete, Item, Put, equals

from .models import Cache, Lease


def read(item: Item | None) -> Cache | None:
    return None if item is None else Cache.model_validate(item)


def put(cache: Cache, when: Condition) -> Put:
    return Put({**keys.upstream(cache.namespace_id)._asdict(), **cache.model_dump(mode="json")}, when)


def removal(cache: Cache) -> Delete:
    """If it is as it was seen."""
    return Delete(keys.upstream(cache.namespace_id), equals("version", cache.version))


def lease_item(instance: str, namespace_id: str, repository: str, lease: Lease) -> Item:
    key = keys.lease(instance, namespace_id, repository, lease.digest)
    return {**key._asdict(), **lease.model_dump(), "instance_id": instance}
