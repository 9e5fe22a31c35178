"""The schedule of retention, the steps of its tasks, and their end."""

from __future__ import annotations

from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Step, Task

from . import runs
from .firing import Firing


def fire_schedules(stack: Stack) -> None:
    """Begins the runs that are due by now. Their first messages are sent; the sweep sends again what gets lost."""
    Firing(stack).fire()


def carry_out(stack: Stack, task: Task) -> Step:
    """One step of a run."""
    return runs.step(stack, task)


def tell_stopped(stack: Stack, task: Task) -> None:
    """A task that has ended: the audit record is told of a run that failed or was cancelled. Safe to repeat."""
    runs.tell_stopped(stack, task)
