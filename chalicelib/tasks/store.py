"""Items of tasks, and of what they did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.table import ConditionFailed, Item, Key, Put, Table, absent, equals

from .models import Task, TaskItem

# What one request may look at; where the filter leaves fewer, its cursor goes on from there.
MOST_LOOKED_AT: Final = 5000

T = TypeVar("T")


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
    table: Table, first: Key, read: Callable[[Item], T | None], cursor: str | None, limit: int, *, descending: bool
) -> Page[T]:
    """Rows whose sk begins like `first`'s, as `read` makes of them, without those of which it makes None.

    cursor: where the page before ended, an sk without its beginning. Looks at no more than MOST_LOOKED_AT rows.
    """
    items: list[T] = []
    looked, after = 0, None if cursor is None else first.sk + cursor
    while looked < MOST_LOOKED_AT:
        rows = table.query(first.pk, prefix=first.sk, after=after, limit=min(1000, limit * 4), descending=descending)
        for row in rows.items:
            looked, after = looked + 1, row["sk"]
            made = read(row)
            if made is not None:
                items.append(made)
                if len(items) == limit:
                    more = rows.next is not None or row is not rows.items[-1]
                    return Page(tuple(items), after.removeprefix(first.sk) if more else None)
        if rows.next is None:
            return Page(tuple(items))
    return Page(tuple(items), None if after is None else after.removeprefix(first.sk))
