"""The door of the room: an instance at a glance (I7)."""

from __future__ import annotations

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.ports.stack import Stack
from chalicelib.registry.series import Series

from . import rules
from .models import Overview


class Overviews:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)
        self._series = Series(stack)

    def of(self, instance: Instance, days: int) -> Overview:
        """Quotas as they are now, and what happened in the days before: one batch read and one query."""
        now = self._stack.clock.now()
        hours = self._series.hours(instance.id, rules.begin_of(now, days), now)
        usage = self._instances.usage(instance)
        return Overview(
            **self._instances.view(instance).model_dump(),
            namespaces=usage.namespaces,
            repositories=usage.repositories,
            storage=usage.storage,
            series=rules.points(hours, days),
        )
