"""Items of namespaces."""

from __future__ import annotations

from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.table import Item, Put, Table, Update, absent, all_of, equals

from .models import Namespace, NamespaceEdit


def creation(namespace: Namespace) -> Put:
    key = keys.namespace(namespace.instance_id, namespace.name)
    return Put({**key._asdict(), **namespace.model_dump(), "name": str(namespace.name)}, absent())


def load(table: Table, instance_id: str, name: str) -> Namespace | None:
    item = table.get(keys.namespace(instance_id, name))
    return None if item is None or leaves(item) else Namespace.model_validate(item)


def leaves(item: Item) -> bool:
    """It is being deleted: it answers like missing, though its name is not free before its repositories are gone."""
    return "deletion" in item


def edit(table: Table, namespace: Namespace, change: NamespaceEdit) -> Namespace:
    """Raises ConditionFailed if the namespace is gone, or another of its name stands there."""
    key = keys.namespace(namespace.instance_id, namespace.name)
    wanted = change.model_dump(exclude_none=True)
    stands = all_of(equals("id", namespace.id), absent("deletion"))
    return Namespace.model_validate(table.update(Update(key, set=wanted, when=stands)))


def page(
    table: Table,
    instance_id: str,
    cursor: str | None,
    limit: int,
    *,
    after: str | None = None,
    descending: bool = False,
) -> Page[Namespace]:
    found: Page[Item] = table.query(
        keys.instance_partition(instance_id),
        prefix=keys.namespace(instance_id, "").sk,
        after=None if after is None else keys.namespace(instance_id, after).sk,
        cursor=cursor,
        limit=limit,
        descending=descending,
    )
    return Page(tuple(Namespace.model_validate(item) for item in found.items if not leaves(item)), found.next)
