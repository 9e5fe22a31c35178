"""Environments: named in an account, each with an instance and the namespace of its services' repositories (B1, B2)."""

from __future__ import annotations

from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, InUse, NotFound, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.paging import Page
from chalicelib.ports import binding_keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, OutcomeUnknown, TransactionCancelled

from . import store
from .homes import Homes
from .models import Environment
from .names import EnvironmentName
from .shapes import NamedQuery, NewEnvironment

# Source: the page "Creating a service" of the guide, "Limits".
MOST_SERVICES: Final = 5
_ATTEMPTS: Final = 5


class Environments:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._homes = Homes(stack)

    def create(self, instance: Instance, new: NewEnvironment, by: str) -> Environment:
        """Raises Conflict if the name is taken or the instance has another namespace for this, Invalid for one that
        cannot be, QuotaExceeded where there is no room for it."""
        taken = Conflict.on("name", f"the account has an environment named {new.name} already")
        if store.environment(self._table, instance.account_id, new.name) is not None:
            # No namespace is made for one that will not be.
            raise taken
        for _ in range(_ATTEMPTS):
            namespace, chosen = self._homes.choose(instance, new.namespace)
            made = Environment(
                account_id=instance.account_id,
                name=new.name,
                life=new_id(),
                remark=new.remark,
                instance_id=instance.id,
                instance=instance.name,
                namespace=namespace,
                created_at=self._stack.clock.now(),
                created_by=by,
            )
            try:
                self._table.transact([store.environment_creation(made), *chosen])
            except TransactionCancelled as cancelled:
                if 0 in cancelled.failed:
                    raise taken from cancelled
                continue
            except OutcomeUnknown:
                standing = store.environment(self._table, made.account_id, made.name)
                if standing is None or standing.life != made.life:
                    raise
            return made
        raise Unavailable

    def get(self, account: str, name: str) -> Environment:
        """Raises NotFound."""
        found = store.environment(self._table, account, name) if EnvironmentName.fits(name) else None
        if found is None:
            raise _missing()
        return found

    def page(self, account: str, query: NamedQuery) -> Page[Environment]:
        """In name order. Raises Invalid naming `cursor`."""
        first = binding_keys.environment(account, "")
        return store.page(self._table, first, Environment, EnvironmentName, query)

    def edit(self, seen: Environment, remark: str | None) -> Environment:
        """Raises NotFound."""
        if remark is None:
            return seen
        key = binding_keys.environment(seen.account_id, seen.name)
        try:
            return Environment.model_validate(self._table.update(store.remark(key, seen.life, remark)))
        except ConditionFailed as gone:
            raise _missing() from gone

    def delete(self, seen: Environment) -> None:
        """Its namespace stays, with all in it. Raises InUse while it has services, NotFound."""
        write = store.environment_deletion(seen)
        try:
            self._table.delete(write.key, write.when)
        except ConditionFailed as refused:
            if refused.item is None or refused.item["life"] != seen.life:
                raise _missing() from refused
            named = ", ".join(self._services(seen)) or "some"
            message = f"environment {seen.name} has services: {named}; delete them first, their repositories stay"
            raise InUse(message, named) from refused

    def _services(self, of: Environment) -> list[str]:
        first = binding_keys.service(of.account_id, of.name, "")
        return [row["name"] for row in self._table.query(first.pk, prefix=first.sk, limit=MOST_SERVICES).items]


def _missing() -> NotFound:
    return NotFound("there is no such environment")
