"""How repositories come back from the recycle bin: in one transaction, the deletion's backwards. Their content has not
moved, so tags, shares and history are as they were."""

from __future__ import annotations

from typing import Any, Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, NotFound, QuotaExceeded, Unavailable
from chalicelib.kernel.names import RepositoryName
from chalicelib.namespaces.departure import Departure as NamespaceDeparture
from chalicelib.namespaces.models import Namespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, TransactionCancelled
from chalicelib.repositories.departure import Departure
from chalicelib.repositories.models import Repository

from .bin_entries import BinEntries
from .blobs import ATTEMPTS
from .free_names import free_name
from .models import BinEntry

_LONGEST_NAME: Final = 255


class RepositoryRestoration:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._instances = Instances(stack)
        self._namespaces = Namespaces(stack)
        self._standing = NamespaceDeparture(stack)
        self._departure = Departure(stack)
        self._entries = BinEntries(stack)

    def restore(self, instance: Instance, entry: BinEntry, *, name: RepositoryName | None = None) -> Repository:
        """With all its content, in the namespace that has its namespace's name now. Costs the same however much it is.

        name   in the same namespace; else the one it had
        Raises NotFound where the entry is gone, InstanceFrozen, QuotaExceeded, Conflict where the name is taken or
        there is no such namespace.
        """
        self._instances.require_running(instance)
        wanted = name or RepositoryName(entry.name)
        for _ in range(ATTEMPTS):
            namespace = self._namespace(instance, wanted)
            record = {**(entry.record or {}), "name": str(wanted), "namespace_id": namespace.id}
            if self._bring_back(instance, entry, record, namespace):
                return Repository.model_validate(record)
        raise Unavailable

    def _bring_back(self, instance: Instance, entry: BinEntry, record: dict[str, Any], namespace: Namespace) -> bool:
        """Whether it took effect; False: look again."""
        writes = [
            *self._departure.come_back(record, entry.id),
            self._standing.stands(namespace),
            self._instances.count_change(instance, repositories=1),
            *self._entries.goes([entry]),
        ]
        try:
            self._table.transact(writes)
        except TransactionCancelled as cancelled:
            taken, moved, namespace_moved, quota_used_up = (place in cancelled.failed for place in range(4))
            if moved:
                raise NotFound("there is no such entry in the recycle bin") from cancelled
            if taken:
                raise self._taken(instance, RepositoryName(record["name"])) from cancelled
            if quota_used_up and not namespace_moved:
                raise QuotaExceeded("repositories", instance.repository_limit) from cancelled
            return False
        except OutcomeUnknown:
            return self._departure.is_back(record)
        return True

    def _namespace(self, instance: Instance, wanted: RepositoryName) -> Namespace:
        try:
            return self._namespaces.get(instance.id, wanted.namespace, fresh=True)
        except NotFound as missing:
            raise Conflict(
                f"there is no namespace {wanted.namespace} for {wanted} to come back to; restore or create it first",
                namespace=wanted.namespace,
            ) from missing

    def _taken(self, instance: Instance, wanted: RepositoryName) -> Conflict:
        free = free_name(self._table, wanted, _LONGEST_NAME, lambda one: keys.repository(instance.id, one))
        offered = RepositoryName(free).short
        return Conflict(
            f"there is a repository {wanted} already; restore it under another name, such as {offered}",
            repository=wanted,
            free_name=offered,
        )
