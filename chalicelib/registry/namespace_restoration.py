"""How namespaces come back from the recycle bin: their repositories one by one, in the background.

    asked      name taken, quota for all of it, entry on its way back, task made    one transaction; still missing
    step       some repositories have their names again                              as often as it takes, each one
                                                                                     transaction
    last step  the namespace is found again, the entry gone                          one transaction, once none is left

Its id is what it was, so its rules are there again with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, Invalid, NotFound, QuotaExceeded
from chalicelib.kernel.names import NamespaceName, RepositoryName
from chalicelib.kernel.paging import every
from chalicelib.namespaces.departure import Departure
from chalicelib.ports import cache_keys, keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import (
    Check,
    Delete,
    Item,
    OutcomeUnknown,
    TransactionCancelled,
    Update,
    Write,
    equals,
    present,
)
from chalicelib.pull_policies.service import PullPolicies
from chalicelib.repositories.departure import Departure as RepositoryDeparture
from chalicelib.tasks.models import Step, Task, TaskItem
from chalicelib.tasks.service import Tasks

from . import store
from .bin_entries import BinEntries
from .free_names import free_name
from .models import BinEntry
from .namespace_retirement import may_return

REPOSITORIES_A_STEP: Final = 25
_LONGEST_NAME: Final = 64
# A frozen instance restores nothing: whether it runs again is looked at so often.
LOOK_AGAIN_S: Final = 600


class NamespaceRestoration:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._instances = Instances(stack)
        self._tasks = Tasks(stack)
        self._departure = Departure(stack)
        self._repositories = RepositoryDeparture(stack)
        self._entries = BinEntries(stack)
        self._policies = PullPolicies(stack)

    def restore(self, instance: Instance, entry: BinEntry, by: str, *, name: NamespaceName | None = None) -> Task:
        """The task that brings it back, whole; until then it answers like missing. Asked again, the same task.

        name   that it and its repositories are to have from now on
        Raises NotFound where the entry is gone, InstanceFrozen, QuotaExceeded, Invalid where the name would make one of
        a repository too long, Conflict where the name is taken, or it is being deleted or freed.
        """
        self._instances.require_running(instance)
        wanted = name or NamespaceName(entry.name)
        if entry.returns:
            return self._again(instance, entry, wanted)
        if not entry.whole:
            # Seen before its parts are counted: none comes to one that is whole, so their number stays right.
            raise _still_leaves(entry.name)
        parts = self._count(entry, wanted)
        task, creation = self._tasks.create(
            instance.id,
            "restoration",
            {"namespace": wanted},
            by,
            work={"entry": entry.id},
            total=parts,
            cancellable=False,
        )
        record = {**(entry.record or {}), "name": str(wanted)}
        # Not as it left: an older version of this code, which may have taken it along, knew of no such marks.
        record["pull_policy"] = self._policies.holds(record["id"])
        record["upstream"] = self._table.get(cache_keys.upstream(record["id"])) is not None
        writes: list[Write] = [
            self._departure.come_back(record, task.id),
            Update(keys.bin_entry(instance.id, entry.id), set={"returns": task.id}, when=may_return()),
            self._instances.count_change(instance, namespaces=1, repositories=parts),
            creation,
        ]
        try:
            self._table.transact(writes)
        except TransactionCancelled as cancelled:
            raise self._refusal(instance, wanted, parts, cancelled) from cancelled
        except OutcomeUnknown:
            if self._departure.leaving(instance.id, wanted) != task.id:
                raise
        self._tasks.start(task)
        return task

    def _again(self, instance: Instance, entry: BinEntry, wanted: NamespaceName) -> Task:
        task = self._tasks.get(instance.id, entry.returns)
        if task.subject["namespace"] != wanted:
            raise Conflict(f"namespace {entry.name} is being restored as {task.subject['namespace']} already")
        return self._tasks.retry(task) if task.state in ("failed", "cancelled") else task

    def _count(self, entry: BinEntry, wanted: NamespaceName) -> int:
        """How many repositories it has. Raises Invalid where the name of one would be too long."""
        count = 0
        for row in self._parts(entry):
            name = _renamed(row["name"], wanted)
            if not RepositoryName.fits(name):
                raise Invalid(
                    "name", f"is too long for repository {RepositoryName(row['name']).short} of the namespace"
                )
            count += 1
        return count

    def _parts(self, entry: BinEntry) -> Iterator[Item]:
        first = keys.bin_part(entry.instance_id, entry.id, "")
        return every(lambda cursor: self._table.query(first.pk, prefix=first.sk, cursor=cursor, limit=1000))

    def _refusal(
        self, instance: Instance, wanted: NamespaceName, parts: int, cancelled: TransactionCancelled
    ) -> Exception:
        if 1 in cancelled.failed:
            standing = cancelled.failed[1]
            if standing is None:
                return NotFound("there is no such entry in the recycle bin")
            if not standing["whole"]:
                return _still_leaves(standing["name"])
            if standing.get("ends"):
                return Conflict(f"namespace {standing['name']} is being freed and does not come back")
            return Conflict(f"namespace {standing['name']} is being restored already")
        if 0 in cancelled.failed:
            return self._taken(instance, wanted)
        used = cancelled.failed.get(2) or {}
        if int(used.get("namespaces", 0)) >= instance.namespace_limit:
            return QuotaExceeded("namespaces", instance.namespace_limit)
        if int(used.get("repositories", 0)) + parts > instance.repository_limit:
            return QuotaExceeded("repositories", instance.repository_limit)
        return Conflict(f"namespace {wanted} was changed meanwhile; try again")

    def _taken(self, instance: Instance, wanted: NamespaceName) -> Conflict:
        offered = free_name(self._table, wanted, _LONGEST_NAME, lambda one: keys.namespace(instance.id, one))
        return Conflict(
            f"there is a namespace {wanted} already; restore it under another name, such as {offered}",
            namespace=wanted,
            free_name=offered,
        )

    def carry_out(self, task: Task) -> Step:
        """Some repositories come back; with none left, the namespace is found again. Safe to repeat and interrupt."""
        instance = self._instances.load(task.instance_id)
        if self._instances.state(instance) != "running":
            return Step(dict(task.work), wait_s=LOOK_AGAIN_S)
        entry = store.read(self._table, keys.bin_entry(instance.id, task.work["entry"]), BinEntry)
        if entry is None or entry.returns != task.id:
            return Step(None)
        first = keys.bin_part(instance.id, entry.id, "")
        rows = self._table.query(first.pk, prefix=first.sk, limit=REPOSITORIES_A_STEP).items
        if not rows:
            self._open(task, entry)
            return Step(None)
        wanted = NamespaceName(task.subject["namespace"])
        items = [self._bring_back(task, BinEntry.model_validate(row), wanted) for row in rows]
        return Step(dict(task.work), done=len(items), items=items)

    def _bring_back(self, task: Task, part: BinEntry, wanted: NamespaceName) -> TaskItem:
        record = {**(part.record or {}), "name": _renamed(part.name, wanted)}
        under_way = equals("returns", task.id)
        writes = [
            Delete(store.bin_key(part), present()),
            Check(keys.bin_entry(part.instance_id, part.parent), under_way),
            *self._repositories.come_back(record, part.id),
        ]
        try:
            self._table.transact(writes)
        except TransactionCancelled as cancelled:
            # A step before this one, or beside it, was quicker.
            done_already = 0 in cancelled.failed or 1 in cancelled.failed
            if not done_already:
                raise Conflict(f"repository {record['name']} cannot come back: its name is taken") from cancelled
        return TaskItem(
            id=part.repository_id, time=self._stack.clock.now(), repository=record["name"], verdict="restored"
        )

    def _open(self, task: Task, entry: BinEntry) -> None:
        opened = self._departure.open(entry.instance_id, task.subject["namespace"], task.id)
        try:
            self._table.transact([opened, *self._entries.goes([entry])])
        except TransactionCancelled:
            return  # Done already.


def _still_leaves(namespace: str) -> Conflict:
    return Conflict(f"namespace {namespace} is still being deleted; wait for that task")


def _renamed(repository: str, namespace: str) -> str:
    return f"{namespace}/{RepositoryName(repository).short}"
