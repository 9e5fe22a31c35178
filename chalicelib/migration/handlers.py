"""The steps of migrations, and their end."""

from __future__ import annotations

from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Step, Task

from . import store


def carry_out(stack: Stack, task: Task) -> Step:
    """One step: some images, or pieces of a large one."""
    from .steps import step

    return step(stack, task)


def tell_ended(stack: Stack, task: Task) -> None:
    """A migration has ended. One that may be retried keeps its logins for a while. Safe to repeat."""
    if task.state == "succeeded":
        store.forget_logins(stack.table, task)
