"""All namespaces of an instance with what each says about retention: one query, and two batches of reads."""

from __future__ import annotations

from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.kernel.paging import Page
from chalicelib.namespaces.api import NamespaceQuery
from chalicelib.namespaces.models import Namespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Task
from chalicelib.tasks.service import Tasks

from . import store
from .models import LastRun, NamespaceRetention, Policy


def overview(stack: Stack, instance: Instance, query: NamespaceQuery) -> Page[NamespaceRetention]:
    """By name; with a search by a bounded pass. Raises Invalid for a foreign cursor."""
    namespaces, descending = Namespaces(stack), query.sort == "-name"
    if query.search:
        found = namespaces.search(
            instance.id, query.search, cursor=query.cursor, limit=query.limit, descending=descending
        )
    else:
        found = namespaces.list(instance.id, cursor=query.cursor, limit=query.limit, descending=descending)
    names = [one.id for one in found.items]
    policies = {one.namespace_id: one for one in store.load_many(stack.table, names)} if names else {}
    runs = [policy.run for policy in policies.values() if policy.run]
    tasks = Tasks(stack).several(instance.id, runs) if runs else {}
    return found.map(lambda one: _shown(one, policies.get(one.id), tasks))


_NOTHING: Final = Policy(namespace_id="", instance_id="", namespace="")


def _shown(namespace: Namespace, policy: Policy | None, tasks: dict[str, Task]) -> NamespaceRetention:
    said = policy or _NOTHING
    task = tasks.get(said.run)
    return NamespaceRetention(
        namespace=namespace.name,
        rules=len(said.rules),
        schedule=said.schedule,
        next_run=said.next_at,
        last_run=None if task is None else _last(task),
    )


def _last(task: Task) -> LastRun:
    return LastRun(
        id=task.id,
        state=task.state,
        created_at=task.created_at,
        finished_at=task.finished_at,
        deleted=task.counts.get("deleted", 0),
        bytes=task.bytes,
    )
