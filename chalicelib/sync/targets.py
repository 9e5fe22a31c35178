"""Where rules bring images: another namespace here, another instance of the account, a registry elsewhere.

A remote whose address is that of an instance of the same account means that instance, so that what holds between
instances (Y2) cannot be got around by its address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from chalicelib.copying.callers import SYNC, bringer
from chalicelib.copying.ends import Target
from chalicelib.copying.local import LocalRepository
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import EditionRequired, Invalid, NotFound
from chalicelib.kernel.names import NamespaceName, RepositoryName
from chalicelib.kernel.paging import every
from chalicelib.namespaces.models import Namespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.remote_reference import RemoteReference, is_loopback
from chalicelib.ports.stack import Stack
from chalicelib.remotes.models import Remote
from chalicelib.remotes.service import Remotes

from .models import Order, Rule, TargetKind
from .rules import piece_bytes

FEATURE: Final = "sync"


@dataclass(frozen=True, slots=True)
class Place:
    """key: as claims name it."""

    kind: TargetKind
    id: str
    key: str
    remote: Remote | None = None
    instance: Instance | None = None


class Targets:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)
        self._namespaces = Namespaces(stack)
        self._remotes = Remotes(stack)

    def named(self, instance: Instance, ref: str) -> Place:
        """What `target_instance` means to an instance. Raises Invalid naming it."""
        try:
            return _at_instance(self._instances.of_account(instance.account_id, ref))
        except NotFound:
            pass
        try:
            remote = self._remotes.get(instance, ref)
        except NotFound:
            message = "is neither an instance of this account nor a remote of this instance"
            raise Invalid("target_instance", message) from None
        own = self._own(instance.account_id, remote)
        return _at_instance(own) if own is not None else Place("remote", remote.id, remote.host, remote=remote)

    def require(self, place: Place, namespace: str) -> Namespace | None:
        """The target's namespace, where we can look. Raises Invalid naming `target_namespace`, EditionRequired,
        InstanceFrozen."""
        if place.instance is None:
            try:
                RemoteReference.parse(f"{place.key}/{namespace}/any:latest")
            except Invalid:
                raise Invalid("target_namespace", "is no beginning of a repository's name") from None
            return None
        if place.instance.edition != "enterprise":
            raise EditionRequired(FEATURE)
        self._instances.require_running(place.instance)
        return self.namespace(place.instance, namespace, "target_namespace")

    def namespace(self, instance: Instance, name: str, field: str) -> Namespace:
        """As the table has it. Raises Invalid naming the field."""
        try:
            return self._namespaces.get(instance.id, name if NamespaceName.fits(name) else "", fresh=True)
        except NotFound:
            raise Invalid(field, f"instance {instance.name} has no such namespace; make it first") from None

    def _own(self, account_id: str, remote: Remote) -> Instance | None:
        """The account's instance that is reached at the remote's address."""
        host, _, port = remote.host.rpartition(":") if ":" in remote.host else (remote.host, "", "")
        port = port or ("443" if remote.scheme == "https" else "80")
        if is_loopback(remote.host):
            here = self._instances.at_loopback(int(port) if port.isdigit() else 0)
            if here is not None and here.account_id == account_id:
                return here
        for one in every(lambda cursor: self._instances.page(account_id, cursor=cursor)):
            addresses = (self._instances.public_address(one), self._instances.internal_address(one) or "")
            if f"{host}:{port}" in [f"{address}:443" if ":" not in address else address for address in addresses]:
                return one
        return None

    # To bring something there

    def opened(self, order: Order, source: Instance) -> Opened:
        """Raises NotFound, EditionRequired, InstanceFrozen, Conflict where a password has to be given anew."""
        if order.target_kind == "remote":
            return Opened(self._stack, order, self._remotes.get(source, order.target_id))
        instance = (
            source if order.target_id == source.id else self._instances.of_account(source.account_id, order.target_id)
        )
        self._instances.require_running(instance)
        if instance.edition != "enterprise":
            raise EditionRequired(FEATURE)
        try:
            self._namespaces.get(instance.id, order.target_namespace, fresh=True)
        except NotFound:
            raise NotFound(f"instance {instance.name} has no namespace {order.target_namespace}") from None
        return Opened(self._stack, order, instance)

    # To be shown

    def name(self, rule: Rule, source: Instance) -> str:
        """Of the instance or remote; "" where it is gone."""
        try:
            if rule.target_kind == "remote":
                return self._remotes.get(source, rule.target_id).name
            return self._instances.get(rule.target_id).name
        except NotFound:
            return ""

    def problem(self, rule: Rule, source: Instance) -> str:
        """Why nothing is brought; "" where nothing stands in the way."""
        if not self._there(source, rule.source_namespace):
            return f"there is no namespace {rule.source_namespace}"
        if rule.target_kind == "remote":
            return "" if self.name(rule, source) else "the remote is gone"
        try:
            target = self._instances.get(rule.target_id)
        except NotFound:
            return "the target instance is gone"
        if self._instances.state(target) != "running":
            return f"instance {target.name} is {self._instances.state(target)}"
        if not self._there(target, rule.target_namespace):
            return f"instance {target.name} has no namespace {rule.target_namespace}"
        return ""

    def _there(self, instance: Instance, namespace: str) -> bool:
        try:
            self._namespaces.get(instance.id, namespace)
        except NotFound:
            return False
        return True


class Opened:
    """A target for the steps of one task: one connection, whatever the number of repositories."""

    def __init__(self, stack: Stack, order: Order, at: Instance | Remote) -> None:
        self._stack = stack
        self._order = order
        self._at = at if isinstance(at, Instance) else Remotes(stack).registry(at)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not isinstance(self._at, Instance):
            self._at.close()

    def repository(self, source: RepositoryName) -> Target:
        """Where what lies in the source's repository goes: under the same name, in the target's namespace."""
        name = f"{self._order.target_namespace}/{source.short}"
        if isinstance(self._at, Instance):
            where = RepositoryName.parse(name)
            return LocalRepository(self._stack, bringer(self._at, where, SYNC), where, how="sync")
        from chalicelib.copying.remote import RemoteRepository

        return RemoteRepository(self._at, name, piece_bytes=piece_bytes(self._order.bandwidth))


def _at_instance(instance: Instance) -> Place:
    return Place("instance", instance.id, instance.id, instance=instance)
