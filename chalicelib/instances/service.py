"""The door of the room: opening, finding and counting instances."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from chalicelib.identity.recent import Recent
from chalicelib.kernel.errors import Conflict, InstanceFrozen, Invalid, NotFound, QuotaExceeded
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import InstanceName
from chalicelib.kernel.paging import Page, every
from chalicelib.ports import keys
from chalicelib.ports.memory import Knowledge
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, TransactionCancelled, Update, Write

from . import rules, store
from .models import (
    NAMESPACE_LIMITS,
    REPOSITORY_LIMITS,
    STORAGE_LIMITS_BYTES,
    Edition,
    Instance,
    InstanceView,
    LifeStep,
    ListedInstance,
    State,
    Usage,
)
from .places import DEFAULT_ACCOUNT, DEFAULT_NAME, NOBODY, Place, labelled, present

__all__ = ["DEFAULT_ACCOUNT", "DEFAULT_NAME", "Instances"]

# Where so many instances are reached is kept, some 300 bytes each.
_MOST_SEEN: Final = 10_000


class Instances:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._by_port = rules.instances_by_port(stack.settings.instance_ports)
        self._domain = stack.settings.domain
        self._seen: Recent[Hashable, str] = stack.keep("instances seen", lambda: Recent(_MOST_SEEN))

    def create(
        self,
        *,
        name: str,
        edition: Edition,
        bucket: str,
        account_id: str,
        also: Callable[[Instance], Sequence[Write]] | None = None,
        **more: Any,
    ) -> Instance:
        """Opens an instance, with counters at nothing, in one transaction.

        also   further writes of that transaction: the first credential, the first allowlist entry
        more   further fields of the record, such as `expires_at`
        Raises Conflict if the account has an instance of that name, or a personal one already; NameInvalid.
        """
        instance = self.new(
            name=InstanceName.parse(name), edition=edition, bucket=bucket, account_id=account_id, **more
        )
        try:
            self._stack.table.transact([*self.opening(instance), *(also(instance) if also else ())])
        except TransactionCancelled as cancelled:
            raise self.taken(instance, cancelled) from cancelled
        return instance

    def new(self, *, edition: Edition, **fields: Any) -> Instance:
        """The record of an instance to be opened, with the quotas of its edition. Nothing is written."""
        return Instance(
            id=new_id(),
            edition=edition,
            region=self._stack.settings.region,
            created_at=self._stack.clock.now(),
            **{
                "namespace_limit": NAMESPACE_LIMITS[edition],
                "repository_limit": REPOSITORY_LIMITS[edition],
                "storage_limit_bytes": STORAGE_LIMITS_BYTES[edition],
                **fields,
            },
        )

    def opening(self, instance: Instance) -> list[Write]:
        """What makes a new instance, for the first places of somebody's transaction."""
        return store.opening(instance)

    def taken(self, instance: Instance, cancelled: TransactionCancelled) -> Conflict:
        """Why a transaction that began with `opening` was cancelled, if it was for the instance itself."""
        personal_place = len(store.opening(instance)) - 1
        if instance.edition == "personal" and personal_place in cancelled.failed and 0 not in cancelled.failed:
            return Conflict.on("edition", "the account has a personal instance already")
        return Conflict.on("name", f"the account has an instance named {instance.name} already")

    def refuse_taken(self, account_id: str, name: str | None, edition: str) -> list[tuple[str, str]]:
        """Fields of an instance to be opened that others have taken: a forecast, the transaction decides."""
        table, bad = self._stack.table, []
        if name is not None and store.id_named(table, account_id, name) is not None:
            bad.append(("name", f"the account has an instance named {name} already"))
        if edition == "personal" and store.personal_id(table, account_id) is not None:
            bad.append(("edition", "the account has a personal instance already"))
        return bad

    def change(self, instance: Instance, **fields: Any) -> Instance:
        """The instance with these fields. Raises Conflict if it is not as it was seen any more."""
        wanted, write = store.changing(instance, fields)
        try:
            self._stack.table.update(write)
        except ConditionFailed as moved:
            raise Conflict(f"instance {instance.name} was changed by somebody else meanwhile; try again") from moved
        return wanted

    def changing(self, instance: Instance, **fields: Any) -> tuple[Instance, Update]:
        """The same for somebody's transaction: what it will be, and the write, which fails if it moved meanwhile."""
        return store.changing(instance, fields)

    def forget(self, instance: Instance) -> None:
        """The last step of deleting an instance: its rows go and its name comes free. Safe to repeat.

        Raises Conflict unless it is being deleted.
        """
        try:
            self._stack.table.transact(store.forgetting(instance))
        except TransactionCancelled as cancelled:
            if 0 in cancelled.failed and cancelled.failed[0] is None:
                return
            raise Conflict(f"instance {instance.name} is not being deleted") from cancelled

    def page(
        self,
        account_id: str,
        *,
        search: str = "",
        cursor: str | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page[Instance]:
        """Instances of an account in name order. search: text that their names hold. Raises Invalid naming `cursor`."""
        if search and cursor is not None and not InstanceName.fits(cursor):
            raise Invalid("cursor", "is not `next` of a page of this list")
        return store.page(self._stack.table, account_id, search, cursor, limit, descending=descending)

    def due(self) -> Iterator[Instance]:
        """Those whose next step of life is due by now, as the table has them."""
        now = to_text(self._stack.clock.now())
        for partition in keys.due_partitions("life"):
            for instance_id in every(partial(store.due_page, self._stack.table, partition, now)):
                instance = store.load(self._stack.table, instance_id)
                due_at = rules.due_at(instance) if instance else None
                if instance is not None and due_at is not None and to_text(due_at) <= now:
                    yield instance

    def load(self, instance_id: str) -> Instance:
        """As the table has it, for writers. Raises NotFound."""
        return self._load(instance_id)

    def state(self, instance: Instance) -> State:
        """What it is at this moment: `frozen` from its expiry on, whether or not a schedule said so."""
        return rules.state_at(instance, self._stack.clock.now())

    def next_step(self, instance: Instance) -> tuple[LifeStep, datetime] | None:
        """What comes next in its life, and when; None for one that lives for ever, or is being deleted."""
        return rules.next_step(instance, self._stack.clock.now())

    def renews_now(self, instance: Instance) -> bool:
        """Whether auto-renewal is to prolong it at this moment."""
        return rules.renews_now(instance, self._stack.clock.now())

    def stood_still_s(self, instance: Instance) -> int:
        """Seconds it was frozen in its life until now."""
        return rules.stood_still_s(instance, self._stack.clock.now())

    def grace_ends(self, instance_id: str, moment: datetime, stood_then_s: int) -> datetime:
        """When a grace period of its recycle bin ends that was to end at the moment: frozen, its clocks stand still.

        stood_then_s   `Instance.stood_still_s` when the grace period began
        """
        instance = store.load(self._stack.table, instance_id)
        if instance is None:
            return moment
        return rules.grace_ends(instance, moment, stood_then_s, self._stack.clock.now())

    def view(self, instance: Instance) -> InstanceView:
        """What the API shows of it."""
        return InstanceView(
            **instance.model_dump(include=set(InstanceView.model_fields) - {"state"}),
            state=self.state(instance),
            public_address=self.public_address(instance),
            internal_address=self.internal_address(instance),
        )

    def listed(self, instance: Instance, usage: Usage | None) -> ListedInstance:
        return ListedInstance(**self.view(instance).model_dump(), usage=usage)

    def get(self, instance_id: str) -> Instance:
        """From memory. Raises NotFound."""
        return self._stack.memory.know(self.knowledge(instance_id))

    def knowledge(self, instance_id: str) -> Knowledge[Instance]:
        """What `get` asks of memory."""
        key = keys.instance(instance_id)
        return Knowledge(("instance", instance_id), (key,), lambda found: present(store.read(found.get(key))))

    def foreseen(self, host: str, port: int, likely: str = "") -> tuple[str, list[Knowledge[Instance]]]:
        """The id of the instance that a request likely means, "" where nobody can tell, and what `find` will ask.

        likely   what the request itself lets expect. Elsewhere it is the instance that was found there before: a name
                 keeps its instance for life, and what the name means by now is read with it, in the same batch.
        Raises NotFound where `find` would after a read more.
        """
        by_port = self._by_port.get(port)
        if by_port is not None:
            return by_port, [self.knowledge(by_port)]
        label = rules.label_of(host, self._domain)
        one_machine = self._stack.settings.one_machine
        if label is None and not one_machine:
            return "", []
        place = NOBODY if label is None else labelled(label)
        instance_id = self._seen.get(place.name) or likely or store.pointed(self._stack.table.get(place.pointer))
        if instance_id:
            return instance_id, [place.leading_to(instance_id)]
        if not one_machine:
            raise NotFound("there is no such instance")
        return "", []

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
                return self._at(labelled(label))
            except NotFound:
                if not self._stack.settings.one_machine:
                    raise
        elif not self._stack.settings.one_machine:
            raise NotFound("no instance is reached at this host name", host=host[:300])
        return self._at(NOBODY)

    def names_nobody(self, host: str, port: int) -> bool:
        """Whether an address says nothing of an instance, so that on one machine `find` answers the default one."""
        if not self._stack.settings.one_machine or port in self._by_port:
            return False
        label = rules.label_of(host, self._domain)
        try:
            return label is None or not self._at(labelled(label))
        except NotFound:
            return True

    def at_loopback(self, port: int) -> Instance | None:
        """What is reached at a port of this very machine, by no name; None where that is none of ours."""
        settings = self._stack.settings
        if port not in self._by_port and port not in (settings.port, settings.internal_port):
            return None
        try:
            return self.find("", port) if settings.one_machine else None
        except NotFound:
            return None

    def named(self, account_id: str, name: str) -> Instance:
        """Raises NotFound."""
        return self._load(store.id_named(self._stack.table, account_id, name))

    def of_account(self, account_id: str, ref: str) -> Instance:
        """The account's instance of this id or name, as the table has it.

        Raises NotFound, in the same words for what is not there and for what is another account's.
        """
        instance_id = ref if is_id(ref) else self._id_named(account_id, ref)
        instance = None if instance_id is None else store.load(self._stack.table, instance_id)
        if instance is None or instance.account_id != account_id:
            raise NotFound("there is no such instance")
        return instance

    def every(self) -> list[Instance]:
        """All instances of all accounts, for the operator's own tools and the sweepers."""
        return list(store.all_instances(self._stack.table))

    def require_running(self, instance: Instance) -> None:
        """Raises InstanceFrozen."""
        if not rules.is_running(instance, self._stack.clock.now()):
            raise InstanceFrozen(instance.name)

    def public_address(self, instance: Instance) -> str:
        """What users put before `/namespace/repository`."""
        settings = self._stack.settings
        own_ports = [port for port, instance_id in self._by_port.items() if instance_id == instance.id]
        return self._address(instance, own_ports[0] if own_ports else settings.told_port or settings.port)

    def address_from(self, address: str, host: str, port: int) -> str:
        """A public address as it is written where `host` leads to our listener at `port`: by `host` itself where that
        means the same instance, or by the instance's own port there; else as it is."""
        number = address.rpartition(":")[2]
        if number.isdecimal() and int(number) in self._by_port:
            return f"{host.partition(':')[0]}:{number}"
        try:
            same = self.find(host, port).id == self.find(address, 0).id
        except NotFound:
            return address
        return host if same else address

    def internal_address(self, instance: Instance) -> str | None:
        """The address that the allowlist does not restrict; None where the operator opened no internal listener."""
        settings = self._stack.settings
        port = settings.internal_port if settings.told_internal_port is None else settings.told_internal_port
        return self._address(instance, port) if port else None

    def storage_change(self, instance: Instance, digest: str, delta_bytes: int) -> Update:
        """A write for somebody's transaction. It fails where a personal instance would pass its limit."""
        return store.storage_change(instance, digest, delta_bytes)

    def require_room(self, instance: Instance, size: int = 1) -> None:
        """Before anything is made for bytes that cannot stay. What counts is the transaction with `storage_change`.

        Raises QuotaExceeded where the edition's storage has no room for so many bytes.
        """
        limit = instance.storage_limit_bytes
        if limit is not None and store.counts(self._stack.table, instance).stored_bytes + size > limit:
            raise QuotaExceeded("storage", limit)

    def binned_changes(self, instance_id: str, sizes: Mapping[str, int]) -> list[Update]:
        """Writes for somebody's transaction that puts entries into the recycle bin, or with negative sizes takes them
        out. sizes: bin entry → bytes; one write for each of the shards they fall into."""
        return store.binned_changes(instance_id, sizes)

    def count_change(self, instance: Instance, *, namespaces: int = 0, repositories: int = 0) -> Update:
        """A write for somebody's transaction. It fails where the quota of what is added would be passed."""
        changes = {"namespaces": namespaces, "repositories": repositories}
        return store.count_change(instance, {name: change for name, change in changes.items() if change})

    def usage(self, instance: Instance) -> Usage:
        return self.usages([instance])[instance.id]

    def usages(self, instances: Sequence[Instance]) -> dict[str, Usage]:
        """Of several by their ids, in one batch."""
        counted = store.all_counts(self._stack.table, instances)
        return {one.id: rules.usage(one, counted[one.id]) for one in instances}

    def _id_named(self, account_id: str, ref: str) -> str | None:
        """None for what is no name either: a path may hold anything, and more than fits into a key."""
        return store.id_named(self._stack.table, account_id, ref) if rules.is_instance_name(ref) else None

    def _at(self, place: Place) -> Instance:
        pointer = place.pointer
        instance = self._stack.memory.get(place.name, lambda: self._load(store.pointed(self._stack.table.get(pointer))))
        if self._seen.get(place.name) != instance.id:
            self._seen.put(place.name, instance.id)
        return instance

    def _load(self, instance_id: str | None) -> Instance:
        return present(None if instance_id is None else store.load(self._stack.table, instance_id))

    def _address(self, instance: Instance, port: int) -> str:
        host = f"{instance.label}.{self._domain}"
        return host if port == 443 else f"{host}:{port}"
