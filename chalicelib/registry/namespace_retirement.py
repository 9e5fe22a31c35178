"""How namespaces leave: their repositories one by one into one entry of the recycle bin, in the background.

    asked      namespace marked, entry begun, task made                  one transaction; from here on it is missing
    step       some repositories leave their names, under the entry      as often as it takes, each one transaction
    last step  name and place in the quota gone, the entry whole         one transaction, once no name is left in it
    expired    its repositories become due for purging, then its rules and the entry go

The task has the entry's id: one deletion, one entry, one task.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, NotFound
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.namespaces.departure import Departure
from chalicelib.namespaces.models import Namespace
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    Condition,
    ConditionFailed,
    Delete,
    Item,
    Key,
    OutcomeUnknown,
    TransactionCancelled,
    Update,
    absent,
    all_of,
    any_of,
    equals,
    present,
)
from chalicelib.repositories.models import Repository
from chalicelib.tasks.models import Step, Task, TaskItem
from chalicelib.tasks.service import Tasks

from . import store
from .bin_entries import BinEntries
from .models import BinEntry
from .repository_retirement import RepositoryRetirement

REPOSITORIES_A_STEP: Final = 25
RULES_A_STEP: Final = 50
# An entry that is not whole when its grace period ends waits for its task.
LOOK_AGAIN: Final = timedelta(minutes=10)


class NamespaceRetirement:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._instances = Instances(stack)
        self._tasks = Tasks(stack)
        self._departure = Departure(stack)
        self._bin = BinEntries(stack)
        self._repositories = RepositoryRetirement(stack)

    def delete(self, instance: Instance, namespace: Namespace, by: str, *, repositories: int | None, size: int) -> Task:
        """From now on it answers like missing; the task does the rest. Raises NotFound, Conflict if it was edited.

        repositories   how many there are, None where nobody has counted to the end; size: their bytes, as far as known
        """
        entry = self._entry(instance, namespace, by, size)
        task, creation = self._tasks.create(
            instance.id,
            "deletion",
            {"namespace": namespace.name},
            by,
            work={"what": "namespace"},
            total=repositories,
            cancellable=False,
            task_id=entry.id,
        )
        mark = self._departure.mark(namespace, entry.id)
        try:
            self._table.transact([mark, *self._bin.comes([entry], told=True), creation])
        except TransactionCancelled as cancelled:
            standing = cancelled.failed.get(0)
            if standing is None or "deletion" in standing:
                raise NotFound(f"there is no namespace {namespace.name}", namespace=namespace.name) from cancelled
            raise Conflict(f"namespace {namespace.name} was changed meanwhile; try again") from cancelled
        except OutcomeUnknown:
            if self._departure.leaving(instance.id, namespace.name) != entry.id:
                raise
        self._tasks.start(task)
        return task

    def _entry(self, instance: Instance, namespace: Namespace, by: str, size: int) -> BinEntry:
        return self._bin.new(
            instance,
            by,
            id=new_id(),
            kind="namespace",
            name=namespace.name,
            record=self._departure.record(namespace),
            whole=False,
            size=size,
        )

    def carry_out(self, task: Task) -> Step:
        """Some repositories leave; with none left, the namespace does. Safe to repeat and to interrupt."""
        instance, name = self._instances.load(task.instance_id), task.subject["namespace"]
        entry = store.read(self._table, keys.bin_entry(instance.id, task.id), BinEntry)
        if entry is None or entry.whole:
            return Step(None)
        rows = self._table.query(
            keys.instance_partition(instance.id),
            prefix=keys.repository(instance.id, f"{name}/").sk,
            limit=REPOSITORIES_A_STEP,
        ).items
        if not rows:
            self._leave(instance, entry)
            return Step(None)
        items = [self._retire(instance, row, entry) for row in rows]
        return Step(dict(task.work), done=len(items), items=items)

    def _retire(self, instance: Instance, row: Item, entry: BinEntry) -> TaskItem:
        repository = Repository.model_validate(row)
        with contextlib.suppress(NotFound):  # A step before this one, or beside it, was quicker.
            self._repositories.delete(instance, repository, entry.deleted_by, parent=entry)
        return TaskItem(
            id=repository.id, time=self._stack.clock.now(), repository=str(repository.name), verdict="deleted"
        )

    def _leave(self, instance: Instance, entry: BinEntry) -> None:
        whole = Update(keys.bin_entry(instance.id, entry.id), set={"whole": True}, when=equals("whole", False))
        try:
            self._table.transact([*self._departure.leave(instance, entry.name, entry.id), whole])
        except TransactionCancelled:
            return  # Done already.

    # Out of the bin, for good

    def expire(self, entry: BinEntry) -> None:
        """Some of its repositories are to be purged; with none left, the entry goes. Stays due until then."""
        key = keys.bin_entry(entry.instance_id, entry.id)
        now = self._stack.clock.now()
        if not entry.whole or entry.returns:
            due = keys.due("bin", to_text(now + LOOK_AGAIN), entry.id)
            with contextlib.suppress(ConditionFailed):
                self._table.update(Update(key, set=due, when=present()), relaxed=True)
            return
        try:
            # Whoever restores it asks that it does not end: from here on it does not come back. Due now, as it may be
            # freed before its time.
            due = keys.due("bin", to_text(now), entry.id)
            self._table.update(Update(key, set={"ends": True, **due}, when=may_end()))
        except ConditionFailed:
            return
        parts = self._table.query(key.pk, prefix=keys.bin_part(entry.instance_id, entry.id, "").sk, limit=100).items
        for row in parts:
            self._repositories.expire(BinEntry.model_validate(row))
        if not parts and not self._forget_rules(entry):
            # Not before: only the entry leads to a part that could not go yet.
            with contextlib.suppress(TransactionCancelled):  # Gone already.
                self._table.transact(self._bin.goes([entry]))

    def _forget_rules(self, entry: BinEntry) -> bool:
        """Whether some of what hangs on the namespace's id went."""
        policies = keys.policies_partition((entry.record or {})["id"])
        rows = self._table.query(policies, limit=RULES_A_STEP).items
        if rows:
            self._table.transact([Delete(Key(row["pk"], row["sk"])) for row in rows], relaxed=True)
        return bool(rows)


def may_end() -> Condition:
    """Of a namespace's entry: it is whole, and not on its way back."""
    return all_of(equals("whole", True), any_of(absent("returns"), equals("returns", "")))


def may_return() -> Condition:
    """The same, and it is not on its way out either."""
    return all_of(may_end(), any_of(absent("ends"), equals("ends", False)))
