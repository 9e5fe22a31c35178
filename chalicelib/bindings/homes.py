"""The one namespace of an instance in which services' default repositories are (B2).

The first environment of an instance chooses it, and no later one chooses another: an own row says which it is, put in
the transaction that makes the environment.
"""

from __future__ import annotations

from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, Invalid, NotFound
from chalicelib.kernel.names import NamespaceName
from chalicelib.namespaces.models import Namespace, NewNamespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import binding_keys, keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Check, Put, Write, absent, equals, present

PREFIX: Final = "tcb-"
# Of the instance's id: enough that nobody has chosen just this name.
_ENDING: Final = 8
# Namespaces of that prefix that are looked at.
_MOST_LOOKED_AT: Final = 1000


class Homes:
    def __init__(self, stack: Stack) -> None:
        self._table = stack.table
        self._namespaces = Namespaces(stack)

    def choose(self, instance: Instance, wanted: str) -> tuple[NamespaceName, list[Write]]:
        """The instance's namespace for this, made where it is missing; and writes for somebody's transaction, which
        fail if another was chosen meanwhile.

        wanted   what the caller asks for, "" for any
        Raises Invalid and Conflict naming `namespace`, QuotaExceeded.
        """
        if wanted and not (NamespaceName.fits(wanted) and wanted.startswith(PREFIX)):
            raise Invalid("namespace", f"begins with {PREFIX}, and has 2–64 of a–z and 0–9, with . _ or - between them")
        key, there = binding_keys.home(instance.id), Check(keys.instance(instance.id), present())
        row = self._table.get(key)
        if row is not None:
            name = NamespaceName(row["namespace"])
            _require_same(instance, name, wanted)
            self.ensure(instance, name)
            return name, [Check(key, equals("namespace", str(name))), there]
        name = self._first(instance, wanted)
        self.ensure(instance, name)
        return name, [Put({**key._asdict(), "namespace": str(name), "schema_version": 1}, absent()), there]

    def ensure(self, instance: Instance, name: NamespaceName) -> Namespace:
        """The namespace, made if it is missing: private, and no push makes repositories in it. Raises QuotaExceeded,
        Conflict while one of its name is being deleted."""
        try:
            return self._namespaces.get(instance.id, name, fresh=True)
        except NotFound:
            pass
        try:
            return self._namespaces.create(instance, NewNamespace(name=name))
        except Conflict:
            pass
        try:
            return self._namespaces.get(instance.id, name, fresh=True)
        except NotFound as leaving:
            raise Conflict(f"namespace {name} is being deleted; try again when it is gone", namespace=name) from leaving

    def _first(self, instance: Instance, wanted: str) -> NamespaceName:
        """What to choose where nothing is chosen yet: one that is there, before a new one."""
        rows = self._table.query(
            keys.instance_partition(instance.id), prefix=keys.namespace(instance.id, PREFIX).sk, limit=_MOST_LOOKED_AT
        ).items
        there = [NamespaceName(row["name"]) for row in rows if "deletion" not in row]
        if there and wanted not in there:
            _require_same(instance, there[0], wanted)
            return there[0]
        return NamespaceName(wanted or f"{PREFIX}{instance.id[-_ENDING:].lower()}")


def _require_same(instance: Instance, name: str, wanted: str) -> None:
    if wanted not in ("", name):
        message = f"instance {instance.name} keeps default repositories in namespace {name}; name that, or none"
        raise Conflict.on("namespace", message)
