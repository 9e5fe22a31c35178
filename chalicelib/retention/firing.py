"""The schedule's own: every minute, whatever is due by now begins a run, once, however many hosts look.

    due row of the index ─► the policy as the table has it ─► still due? ─► one transaction: next time, task, run

The next time is reckoned from now: what was missed while nobody looked is made up for by one run. Where nothing can
begin the time is passed over just the same: instance frozen, namespace in the recycle bin, a run still under way.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

from chalicelib.edge.log import logger
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import InstanceFrozen, NotFound
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.paging import every
from chalicelib.kernel.principal import SYSTEM
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import TransactionCancelled
from chalicelib.tasks.models import Task

from . import store
from .models import Policy
from .namespaces import find_namespace
from .service import Retention
from .timetable import times


class Firing:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._instances = Instances(stack)
        self._retention = Retention(stack)

    def fire(self) -> list[Task]:
        """Begins what is due by now."""
        now, begun = self._stack.clock.now(), list[Task]()
        for partition in keys.due_partitions("retention"):
            for row in every(partial(store.due_page, self._table, partition, to_text(now))):
                try:
                    task = self._fire(str(row["namespace_id"]), now)
                except Exception:
                    # One namespace's trouble must not stop the others: it stays due.
                    logger.exception("failed to begin retention", namespace_id=row["namespace_id"])
                    continue
                begun += [task] if task is not None else []
        return begun

    def _fire(self, namespace_id: str, now: datetime) -> Task | None:
        policy = store.load(self._table, namespace_id)
        if policy is None or policy.schedule is None or policy.next_at is None or policy.next_at > now:
            return None  # The index was late.
        upcoming = next(times(policy.schedule.cron, policy.schedule.timezone, now), None)
        place, why_not = self._place(policy)
        if why_not or upcoming is None:
            self._pass_over(policy, upcoming, why_not)
            return None
        named = policy.model_copy(update={"namespace": place})
        return self._retention.begin(named, SYSTEM.name, "schedule", due_at=policy.next_at, next_at=upcoming)

    def _place(self, policy: Policy) -> tuple[str, str]:
        """The namespace's name, and why nothing can begin there, "" if something can."""
        try:
            instance: Instance = self._instances.load(policy.instance_id)
            self._instances.require_running(instance)
        except NotFound:
            return "", "the instance is gone"
        except InstanceFrozen:
            return "", "the instance is frozen"
        namespace = find_namespace(self._stack, instance, policy.namespace_id, policy.namespace)
        if namespace is None:
            return "", "the namespace is not there"
        if not policy.rules:
            return namespace.name, "there are no rules"
        return namespace.name, "a run is under way" if self._retention.runs_now(policy) else ""

    def _pass_over(self, policy: Policy, upcoming: datetime | None, why: str) -> None:
        wanted = policy.model_copy(update={"next_at": upcoming, "version": policy.version + 1})
        try:
            self._table.transact([store.replacement(wanted)])
        except TransactionCancelled:
            return  # Somebody else did, or it was edited: it is looked at again while it is due.
        logger.info("retention passed over", namespace_id=policy.namespace_id, reason=why)
