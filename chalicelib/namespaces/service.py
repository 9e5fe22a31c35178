"""The door of the room: making, reading and editing namespaces."""

from __future__ import annotations

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, EditionRequired, Invalid, NotFound, QuotaExceeded
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.names import NamespaceName
from chalicelib.kernel.paging import Page, bounded_pass
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, TransactionCancelled

from . import store
from .models import Namespace, NamespaceEdit, NewNamespace


class Namespaces:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)

    def create(self, instance: Instance, new: NewNamespace) -> Namespace:
        """Raises Conflict if the name is taken, QuotaExceeded, EditionRequired."""
        _require_edition(instance, new.acceleration)
        namespace = Namespace(
            id=new_id(), instance_id=instance.id, created_at=self._stack.clock.now(), **new.model_dump()
        )
        one_more = self._instances.count_change(instance, namespaces=1)
        try:
            self._stack.table.transact([store.creation(namespace), one_more])
        except TransactionCancelled as cancelled:
            if 0 in cancelled.failed:
                raise Conflict(f"namespace {new.name} exists already", namespace=new.name) from cancelled
            raise QuotaExceeded("namespaces", instance.namespace_limit) from cancelled
        return namespace

    def get(self, instance_id: str, name: str, *, fresh: bool = False) -> Namespace:
        """fresh: from the table itself and not from memory, as writes need it. Raises NotFound."""
        if fresh:
            return self._load(instance_id, name)
        return self._stack.memory.get(("namespace", instance_id, name), lambda: self._load(instance_id, name))

    def edit(self, instance: Instance, name: str, change: NamespaceEdit) -> Namespace:
        """Raises NotFound, EditionRequired."""
        _require_edition(instance, change.acceleration)
        namespace = self._load(instance.id, name)
        if not change.model_dump(exclude_none=True):
            return namespace
        try:
            return store.edit(self._stack.table, namespace, change)
        except ConditionFailed as gone:
            raise _missing(name) from gone

    def list(
        self, instance_id: str, *, cursor: str | None = None, limit: int = 100, descending: bool = False
    ) -> Page[Namespace]:
        """In name order, one query a page."""
        return store.page(self._stack.table, instance_id, cursor, limit, descending=descending)

    def search(
        self,
        instance_id: str,
        text: str,
        *,
        cursor: str | None = None,
        limit: int = 100,
        descending: bool = False,
        pulling_through: bool = False,
    ) -> Page[Namespace]:
        """Those whose name holds the text, in name order, by a bounded pass. Raises Invalid for a foreign cursor.

        pulling_through   only those that pull through another registry
        """
        if cursor is not None and not NamespaceName.fits(cursor):
            raise Invalid("cursor", "is not `next` of a page of this list")

        def load(within: str | None, rows: int) -> Page[Namespace]:
            after = cursor if within is None else None
            return store.page(self._stack.table, instance_id, within, rows, after=after, descending=descending)

        def wanted(namespace: Namespace) -> bool:
            return text in namespace.name and (namespace.upstream or not pulling_through)

        return bounded_pass(load, wanted, lambda namespace: namespace.name, limit)

    def _load(self, instance_id: str, name: str) -> Namespace:
        namespace = store.load(self._stack.table, instance_id, name) if NamespaceName.fits(name) else None
        if namespace is None:
            raise _missing(name)
        return namespace


def _require_edition(instance: Instance, acceleration: bool | None) -> None:
    if acceleration and instance.edition != "enterprise":
        raise EditionRequired("acceleration")


def _missing(name: str) -> NotFound:
    return NotFound(f"there is no namespace {name}", namespace=name)
