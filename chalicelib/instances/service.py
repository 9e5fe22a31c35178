"""The door of the room: opening, finding and counting instances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from chalicelib.kernel.errors import Conflict, InstanceFrozen, NotFound, QuotaExceeded
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.names import InstanceName
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import TransactionCancelled, Update, Write

from . import rules, store
from .models import NAMESPACE_LIMITS, REPOSITORY_LIMITS, STORAGE_LIMITS_BYTES, Edition, Instance, Usage, Use

# The account and the instance that a first start of one machine makes, and that any unknown host name means there.
DEFAULT_ACCOUNT = "default"
DEFAULT_NAME = "default"


class Instances:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._by_port = rules.instances_by_port(stack.settings.instance_ports)
        self._domain = stack.settings.domain

    def create(
        self,
        *,
        name: str,
        edition: Edition,
        bucket: str,
        account_id: str,
        expires_at: datetime | None = None,
        also: Callable[[Instance], Sequence[Write]] | None = None,
    ) -> Instance:
        """Opens an instance, with counters at nothing, in one transaction.

        also   further writes of that transaction: the first credential, the first allowlist entry
        Raises Conflict if the account has an instance of that name, NameInvalid.
        """
        instance = Instance(
            id=new_id(),
            account_id=account_id,
            name=InstanceName.parse(name),
            edition=edition,
            bucket=bucket,
            region=self._stack.settings.region,
            expires_at=expires_at,
            created_at=self._stack.clock.now(),
            namespace_limit=NAMESPACE_LIMITS[edition],
            repository_limit=REPOSITORY_LIMITS[edition],
            storage_limit_bytes=STORAGE_LIMITS_BYTES[edition],
        )
        try:
            self._stack.table.transact([*store.opening(instance), *(also(instance) if also else ())])
        except TransactionCancelled as cancelled:
            raise Conflict(f"the account has an instance named {name} already", name=name) from cancelled
        return instance

    def get(self, instance_id: str) -> Instance:
        """From memory. Raises NotFound."""
        return self._stack.memory.get(("instance", instance_id), lambda: self._load(instance_id))

    def find(self, host: str, port: int) -> Instance:
        """The instance that a request means, from memory.

        host   the Host header as sent; port: of the listener the request came in on
        Raises NotFound; on one machine a host name of nobody means the default instance instead.
        """
        by_port = self._by_port.get(port)
        if by_port is not None:
            return self.get(by_port)
        label = rules.label_of(host, self._domain)
        if label is not None:
            try:
                return self._stack.memory.get(("label", label), lambda: self._at(label))
            except NotFound:
                if not self._stack.settings.one_machine:
                    raise
        elif not self._stack.settings.one_machine:
            raise NotFound("no instance is reached at this host name", host=host[:300])
        return self._stack.memory.get(("instance of nobody",), lambda: self.named(DEFAULT_ACCOUNT, DEFAULT_NAME))

    def named(self, account_id: str, name: str) -> Instance:
        """Raises NotFound."""
        return self._load(store.id_named(self._stack.table, account_id, name))

    def of_account(self, account_id: str, ref: str) -> Instance:
        """The account's instance of this id or name, as the table has it.

        Raises NotFound, in the same words for what is not there and for what is another account's.
        """
        instance_id = ref if is_id(ref) else store.id_named(self._stack.table, account_id, ref)
        instance = None if instance_id is None else store.load(self._stack.table, instance_id)
        if instance is None or instance.account_id != account_id:
            raise NotFound("there is no such instance")
        return instance

    def every(self) -> list[Instance]:
        """All instances of all accounts, for the operator's own tools and the sweepers."""
        return store.every(self._stack.table)

    def require_running(self, instance: Instance) -> None:
        """Raises InstanceFrozen."""
        if not rules.is_running(instance, self._stack.clock.now()):
            raise InstanceFrozen(instance.name)

    def public_address(self, instance: Instance) -> str:
        """What users put before `/namespace/repository`."""
        own_ports = [port for port, instance_id in self._by_port.items() if instance_id == instance.id]
        return self._address(instance, own_ports[0] if own_ports else self._stack.settings.port)

    def internal_address(self, instance: Instance) -> str | None:
        """The address that the allowlist does not restrict; None where the operator opened no internal listener."""
        port = self._stack.settings.internal_port
        return None if port is None else self._address(instance, port)

    def storage_change(self, instance: Instance, digest: str, delta_bytes: int) -> Update:
        """A write for somebody's transaction. It fails where a personal instance would pass its limit."""
        return store.storage_change(instance, digest, delta_bytes)

    def require_room(self, instance: Instance, size: int = 1) -> None:
        """Before anything is made for bytes that cannot stay. What counts is the transaction with `storage_change`.

        Raises QuotaExceeded where the edition's storage has no room for so many bytes.
        """
        limit = instance.storage_limit_bytes
        if limit is not None and store.counts(self._stack.table, instance)[2] + size > limit:
            raise QuotaExceeded("storage", limit)

    def count_change(self, instance: Instance, *, namespaces: int = 0, repositories: int = 0) -> Update:
        """A write for somebody's transaction. It fails where the quota of what is added would be passed."""
        changes = {"namespaces": namespaces, "repositories": repositories}
        return store.count_change(instance, {name: change for name, change in changes.items() if change})

    def usage(self, instance: Instance) -> Usage:
        namespaces, repositories, stored = store.counts(self._stack.table, instance)
        return Usage(
            namespaces=Use(used=namespaces, limit=instance.namespace_limit),
            repositories=Use(used=repositories, limit=instance.repository_limit),
            storage=Use(used=stored, limit=instance.storage_limit_bytes),
        )

    def _at(self, label: str) -> Instance:
        return self._load(store.id_at(self._stack.table, label))

    def _load(self, instance_id: str | None) -> Instance:
        instance = None if instance_id is None else store.load(self._stack.table, instance_id)
        if instance is None:
            raise NotFound("there is no such instance")
        return instance

    def _address(self, instance: Instance, port: int) -> str:
        host = f"{instance.label}.{self._domain}"
        return host if port == 443 else f"{host}:{port}"
