"""How a namespace leaves: it answers like missing, its repositories go, then its name and its quota come free.

NAMESPACE {deletion: entry}   nothing is made, edited or found in it     a mark, in one transaction
NAMESPACE gone, counter −1    once no repository has a name in it        behind the mark of that same deletion

It comes back the same way: its row is there at once, `deletion` naming the task that brings it back, and answers like
missing until all its repositories have their names again; then the mark goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Check, Condition, Delete, Put, Update, Write, absent, all_of, any_of, equals

from .models import Namespace

# What a namespace's row says of the rooms above. Rows from before there was such a thing do not say that it has none.
_MARKS: Final = ("pull_policy", "upstream")


class Departure:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)

    def record(self, namespace: Namespace) -> dict[str, Any]:
        """All there is to know of it, for whoever brings it back."""
        return {**namespace.model_dump(), "name": str(namespace.name)}

    def mark(self, namespace: Namespace, deletion: str) -> Update:
        """A write for somebody's transaction; it fails where the namespace is not as it was seen, or marked already."""
        record = self.record(namespace)
        marks = [_as_marked(name, record.pop(name)) for name in _MARKS]
        as_seen = all_of(absent("deletion"), *marks, *(equals(name, value) for name, value in sorted(record.items())))
        return Update(keys.namespace(namespace.instance_id, namespace.name), set={"deletion": deletion}, when=as_seen)

    def leave(self, instance: Instance, name: str, deletion: str) -> list[Write]:
        """Its row goes and the quota has room for another. Position 0 fails if that was done already."""
        row = keys.namespace(instance.id, name)
        return [
            Delete(row, equals("deletion", deletion)),
            self._instances.count_change(instance, namespaces=-1),
        ]

    def leaving(self, instance_id: str, name: str) -> str:
        """The deletion that the name waits for, "" for none."""
        row = self._stack.table.get(keys.namespace(instance_id, name))
        return "" if row is None else str(row.get("deletion", ""))

    def come_back(self, record: Mapping[str, Any], restoration: str) -> Put:
        """A write for somebody's transaction that counts it: the name is taken, and nobody finds it yet. It fails
        where another has the name. record: as it left, under the name where it is to stand."""
        key = keys.namespace(record["instance_id"], record["name"])
        return Put({**key._asdict(), **record, "deletion": restoration}, absent())

    def open(self, instance_id: str, name: str, restoration: str) -> Update:
        """A write for somebody's transaction: it is whole and found again. It fails if that was done already."""
        return Update(keys.namespace(instance_id, name), remove=("deletion",), when=equals("deletion", restoration))

    def guard(self, namespace: Namespace, guarded: bool) -> Update:
        """A write for somebody's transaction that makes or ends its pull policy. It fails where `stands` would."""
        return self._marking(namespace, "pull_policy", guarded)

    def pull_through(self, namespace: Namespace, through: bool) -> Update:
        """The same about its upstream."""
        return self._marking(namespace, "upstream", through)

    def _marking(self, namespace: Namespace, mark: str, holds: bool) -> Update:
        same = all_of(equals("id", namespace.id), absent("deletion"))
        return Update(keys.namespace(namespace.instance_id, namespace.name), set={mark: holds}, when=same)

    def stands(self, namespace: Namespace) -> Check:
        """For somebody's transaction: it is the same, and neither leaves nor is on its way back."""
        same = all_of(equals("id", namespace.id), absent("deletion"))
        return Check(keys.namespace(namespace.instance_id, namespace.name), same)


def _as_marked(name: str, holds: bool) -> Condition:
    return equals(name, True) if holds else any_of(absent(name), equals(name, False))
