"""Items of tasks, and of what they did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.kernel.paging import Page, bounded_pass
from chalicelib.ports import keys
from chalicelib.ports.table import ConditionFailed, Item, Key, Put, Table, absent, equals

from .models import Task, TaskItem


def task_item(task: Task, due: str) -> dict[str, Any]:
    """due: when it has to be looked after again; not used once it is finished."""
    key = keys.task(task.instance_id, task.id)
    index = {} if task.finished else keys.due("task", due, task.id)
    return {"pk": key.pk, "sk": key.sk, **task.model_dump(), **index}


def creation(task: Task, due: str) -> Put:
    return Put(task_item(task, due), absent())


def load(table: Table, instance_id: str, task_id: str) -> Task | None:
    item = table.get(keys.task(instance_id, task_id))
    return None if item is None else Task.model_validate(item)


def replace(table: Table, seen: Task, fields: Mapping[str, Any], due: str) -> Task | None:
    """The task with these fields, if it still is as it was seen; None otherwise."""
    wanted = seen.model_copy(update={**fields, "version": seen.version + 1})
    try:
        table.put(task_item(wanted, due), equals("version", seen.version))
    except ConditionFailed:
        return None
    return wanted


def put_items(table: Table, task_id: str, items: Sequence[TaskItem]) -> None:
    rows = [{**keys.task_item(task_id, item.id)._asdict(), **item.model_dump()} for item in items]
    if rows:
        table.put_many(rows, relaxed=True)


def overdue(table: Table, now: str, limit: int) -> list[tuple[str, str]]:
    """(instance, task) of unfinished tasks that nobody looks after."""
    found: list[tuple[str, str]] = []
    for partition in keys.due_partitions("task"):
        rows = table.query(partition, index="i1", until=f"{now}~", limit=limit).items
        found.extend((row["instance_id"], row["id"]) for row in rows)
    return found


def page(
    table: Table, first: Key, wanted: Callable[[Item], bool], cursor: str | None, limit: int, *, descending: bool
) -> Page[Item]:
    """Rows whose sk begins like `first`'s and that are wanted, by a bounded pass (`kernel.paging`).

    cursor: where the page before ended, an sk without its beginning.
    """
    start = None if cursor is None else first.sk + cursor

    def load(inner: str | None, rows: int) -> Page[Item]:
        after, rows = (start if inner is None else None), min(rows, limit * 4)
        return table.query(first.pk, prefix=first.sk, after=after, cursor=inner, limit=rows, descending=descending)

    return bounded_pass(load, wanted, lambda row: str(row["sk"]).removeprefix(first.sk), limit)
