"""Items of namespaces."""

from __future__ import annotations

from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.table import Item, Put, Table, Update, absent, equals

from .models import Namespace, NamespaceEdit


def creation(namespace: Namespace) -> Put:
    key = keys.namespace(namespace.instance_id, namespace.name)
    return Put({**key._asdict(), **namespace.model_dump(), "name": str(namespace.name)}, absent())


def load(table: Table, instance_id: str, name: str) -> Namespace | None:
    item = table.get(keys.namespace(instance_id, name))
    return None if item is None else Namespace.model_validate(item)


def edit(table: Table, namespace: Namespace, change: NamespaceEdit) -> Namespace:
    """Raises ConditionFailed if the namespace is gone, or another of its name stands there."""
    key = keys.namespace(namespace.instance_id, namespace.name)
    wanted = change.model_dump(exclude_none=True)
    return Namespace.model_validate(table.update(Update(key, set=wanted, when=equals("id", namespace.id))))


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
    return found.map(Namespace.model_validate)
