"""The door of the room: an instance at a glance (I7). What it costs is bounded, however large the instance is."""

from __future__ import annotations

from typing import Final

from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.registry.series import Series
from chalicelib.retention.service import Retention
from chalicelib.tasks.models import TaskView
from chalicelib.tasks.service import Tasks

from . import rules
from .models import NextRun, Overview, RecentPush

# How far each list looks; what lies beyond is found on the screens of its own.
_TASKS: Final = 200
_NAMESPACES: Final = 200
_ENTRIES: Final = 50


class Overviews:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)

    def of(self, instance: Instance, days: int) -> Overview:
        """As it is now, and what happened in the days before."""
        now = self._stack.clock.now()
        hours = Series(self._stack).hours(instance.id, rules.begin_of(now, days), now)
        usage = self._instances.usage(instance)
        tasks = Tasks(self._stack).latest(instance.id, _TASKS)
        return Overview(
            **self._instances.view(instance).model_dump(),
            namespaces=usage.namespaces,
            repositories=usage.repositories,
            storage=usage.storage,
            series=rules.points(hours, days),
            under_way=sum(not task.finished for task in tasks),
            failures=tuple(TaskView.of(task) for task in rules.failures(tasks, now)),
            next_runs=self._next_runs(instance),
            recent_pushes=self._recent_pushes(instance),
        )

    def _next_runs(self, instance: Instance) -> tuple[NextRun, ...]:
        life = self._instances.next_step(instance)
        found = [NextRun(kind=life[0], time=life[1], namespace="")] if life else []
        if instance.edition == "enterprise" and self._instances.state(instance) == "running":
            # Rules and schedule lie with the namespace: its list, and one batch of what each says.
            namespaces = Namespaces(self._stack).list(instance.id, limit=_NAMESPACES).items
            due = Retention(self._stack).upcoming(namespaces)
            found += [NextRun(kind="retention", time=time, namespace=namespace) for time, namespace in due]
        return rules.soonest(found)

    def _recent_pushes(self, instance: Instance) -> tuple[RecentPush, ...]:
        if instance.edition != "enterprise":
            return ()
        entries = Audit(self._stack).search(instance.id, Filter(object_type="tag"), None, _ENTRIES).items
        return rules.pushes(entries)
