"""The logins of a migration in the service: given once, kept sealed, read again by each of its steps."""

from __future__ import annotations

from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Task

from . import store
from .documents import Document
from .files import Entrances, read_entrances
from .models import Order


def entrances_of(stack: Stack, task: Task, order: Order) -> Entrances:
    """Raises Conflict where they were kept too long."""
    if not order.logins:
        return Entrances({})
    return read_entrances(Document(store.logins(stack, task), "auth"), None)
