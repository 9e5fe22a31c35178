"""Items of instances and of their counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zlib import crc32

from chalicelib.kernel.moment import to_text
from chalicelib.kernel.paging import Page, bounded_pass, every
from chalicelib.ports import keys
from chalicelib.ports.table import (
    Condition,
    Delete,
    Item,
    Key,
    Put,
    Table,
    Update,
    Write,
    absent,
    all_of,
    any_of,
    at_most,
    equals,
)

from .models import Counts, Instance
from .rules import due_at

# A page of the operator's list of all instances.
_PAGE = 500


def opening(instance: Instance) -> list[Write]:
    """Everything a new instance consists of. Position 0 fails if the account has one of that name, 1 on its address,
    the last, of a personal one, if the account has a personal one already."""
    pointer = {"instance_id": instance.id}
    personal = {**keys.personal_instance(instance.account_id)._asdict(), **pointer}
    return [
        Put({**keys.account_instance(instance.account_id, instance.name)._asdict(), **pointer}, absent()),
        Put({**keys.address(instance.label)._asdict(), **pointer}, absent()),
        Put({**keys.instance(instance.id)._asdict(), **_plain(instance)}, absent()),
        Put({**keys.listed_instance(instance.id)._asdict(), **pointer}, absent()),
        Put({**keys.count(instance.id)._asdict(), "namespaces": 0, "repositories": 0}, absent()),
        Put({**keys.usage(instance.id, 0)._asdict(), "storage_bytes": 0}, absent()),
        *([Put(personal, absent())] if instance.edition == "personal" else ()),
    ]


def changing(instance: Instance, fields: dict[str, Any]) -> tuple[Instance, Update]:
    """The instance with these fields, and the write that makes it so if it still is as it was seen."""
    wanted = instance.model_copy(update={**fields, "version": instance.version + 1})
    plain = wanted.model_dump(include={*fields, "version"})
    due = _due(wanted)
    change = Update(
        keys.instance(instance.id),
        set={**plain, **due},
        remove=() if due else ("i1pk", "i1sk"),
        when=_unchanged(instance),
    )
    return wanted, change


def _unchanged(instance: Instance) -> Condition:
    same_version = equals("version", instance.version)
    if instance.version > 1:
        return same_version
    # Records of before there were versions have none; id: an instance that is gone has none either.
    return all_of(equals("id", instance.id), any_of(same_version, absent("version")))


def forgetting(instance: Instance) -> list[Write]:
    """All that `opening` made, gone: the name comes free. Position 0 fails unless it is being deleted."""
    pointers = [
        keys.account_instance(instance.account_id, instance.name),
        keys.address(instance.label),
        keys.listed_instance(instance.id),
        *([keys.personal_instance(instance.account_id)] if instance.edition == "personal" else ()),
    ]
    ours = any_of(absent(), equals("instance_id", instance.id))
    counters = [keys.count(instance.id), *(keys.usage(instance.id, shard) for shard in range(keys.USAGE_SHARDS))]
    return [
        Delete(keys.instance(instance.id), equals("state", "releasing")),
        *(Delete(key, ours) for key in pointers),
        *(Delete(key) for key in counters),
    ]


def page(
    table: Table, account_id: str, search: str, cursor: str | None, limit: int, *, descending: bool = False
) -> Page[Instance]:
    """Instances of an account by name. With `search` by a bounded pass, whose cursor is the name it goes on from."""
    partition, prefix = keys.account_partition(account_id), keys.account_instance(account_id, "").sk
    if not search:
        found = table.query(partition, prefix=prefix, cursor=cursor, limit=limit, descending=descending)
        return _resolved(table, found)
    begin = None if cursor is None else prefix + cursor
    pointers = bounded_pass(
        lambda further, rows: table.query(
            partition,
            prefix=prefix,
            after=None if further else begin,
            cursor=further,
            limit=rows,
            descending=descending,
        ),
        lambda pointer: search in _name(pointer),
        _name,
        limit,
    )
    return _resolved(table, pointers)


def _name(pointer: Item) -> str:
    return str(pointer["sk"]).partition("#")[2]


def _resolved(table: Table, pointers: Page[Item]) -> Page[Instance]:
    """What the pointers of a page point at; what is gone meanwhile is left out."""
    wanted = [keys.instance(pointer["instance_id"]) for pointer in pointers.items]
    items = table.get_many(wanted)
    return Page(tuple(Instance.model_validate(items[key]) for key in wanted if key in items), pointers.next)


def due_page(table: Table, partition: str, now: str, cursor: str | None) -> Page[str]:
    """Ids of instances whose next step is due, from the index: a hint."""
    found: Page[Item] = table.query(partition, index="i1", until=f"{now}~", cursor=cursor, limit=_PAGE)
    return found.map(lambda item: str(item["id"]))


def load(table: Table, instance_id: str) -> Instance | None:
    return read(table.get(keys.instance(instance_id)))


def read(item: Item | None) -> Instance | None:
    return None if item is None else Instance.model_validate(item)


def id_named(table: Table, account_id: str, name: str) -> str | None:
    return pointed(table.get(keys.account_instance(account_id, name)))


def personal_id(table: Table, account_id: str) -> str | None:
    return pointed(table.get(keys.personal_instance(account_id)))


def all_instances(table: Table) -> Iterator[Instance]:
    return every(lambda cursor: _resolved(table, table.query(keys.INSTANCES, cursor=cursor, limit=_PAGE)))


def storage_change(instance: Instance, digest: str, delta_bytes: int) -> Update:
    limit = instance.storage_limit_bytes
    if limit is None:
        shard = crc32(digest.encode()) % keys.USAGE_SHARDS
        return Update(keys.usage(instance.id, shard), add={"storage_bytes": delta_bytes})
    fits = at_most("storage_bytes", limit - delta_bytes) if delta_bytes > 0 else None
    return Update(keys.usage(instance.id, 0), add={"storage_bytes": delta_bytes}, when=fits)


def binned_changes(instance_id: str, sizes: Mapping[str, int]) -> list[Update]:
    by_shard: Counter[int] = Counter()
    for entry, size in sizes.items():
        by_shard[crc32(entry.encode()) % keys.USAGE_SHARDS] += size
    changed = {shard: change for shard, change in by_shard.items() if change}
    return [Update(keys.usage(instance_id, shard), add={"binned_bytes": add}) for shard, add in changed.items()]


def count_change(instance: Instance, changes: dict[str, int]) -> Update:
    limits = {"namespaces": instance.namespace_limit, "repositories": instance.repository_limit}
    fit: list[Condition] = [
        at_most(name, limits[name] - change) for name, change in sorted(changes.items()) if change > 0
    ]
    return Update(keys.count(instance.id), add=changes, when=all_of(*fit) if fit else None)


def counts(table: Table, instance: Instance) -> Counts:
    return all_counts(table, [instance])[instance.id]


def all_counts(table: Table, instances: Sequence[Instance]) -> dict[str, Counts]:
    """By the instances' ids, in one batch."""
    usages = {one.id: [keys.usage(one.id, shard) for shard in range(keys.USAGE_SHARDS)] for one in instances}
    items = table.get_many([key for owner, shards in usages.items() for key in (keys.count(owner), *shards)])
    return {owner: _counts(items, keys.count(owner), shards) for owner, shards in usages.items()}


def _counts(items: Mapping[Key, Item], count: Key, usages: Sequence[Key]) -> Counts:
    stored, binned = (sum(_number(items, key, name) for key in usages) for name in ("storage_bytes", "binned_bytes"))
    return Counts(_number(items, count, "namespaces"), _number(items, count, "repositories"), stored, binned)


def _number(items: Mapping[Key, Item], key: Key, name: str) -> int:
    return int(items.get(key, {}).get(name, 0))


def pointed(item: Item | None) -> str | None:
    return None if item is None else str(item["instance_id"])


def _plain(instance: Instance) -> dict[str, object]:
    return {**instance.model_dump(), "name": str(instance.name), **_due(instance)}


def _due(instance: Instance) -> dict[str, str]:
    moment = due_at(instance)
    return {} if moment is None else keys.due("life", to_text(moment), instance.id)
