"""Items of tasks, and of what they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.kernel.moment import to_text
from chalicelib.ports import keys
from chalicelib.ports.table import (
    TRANSACTION_LIMIT_ITEMS,
    Check,
    ConditionFailed,
    Put,
    Table,
    TransactionCancelled,
    Update,
    absent,
    equals,
)

from .models import Task, TaskItem

# How long people can look up what a task did. One that failed and cannot be left half done stays until it is retried.
KEPT: Final = timedelta(days=90)


def task_item(task: Task, due: str) -> dict[str, Any]:
    """due: when it has to be looked after again; not used once it is finished, which is to be told of then."""
    key = keys.task(task.instance_id, task.id)
    item = {"pk": key.pk, "sk": key.sk, **task.model_dump()}
    if task.finished_at is None:
        return {**item, **keys.due("task", due, task.id)}
    item |= keys.untold(to_text(task.finished_at), task.id)
    left_half_done = task.state == "failed" and not task.cancellable
    return item if left_half_done else {**item, "expires": _expiry(task.finished_at)}


def _expiry(moment: datetime) -> int:
    return int((moment + KEPT).timestamp())


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


def begin_anew(table: Table, seen: Task, fields: Mapping[str, Any], due: str) -> Task | None:
    """`replace` for one that had ended: if nobody was told of that yet, it stays as an event of its own."""
    wanted = seen.model_copy(update={**fields, "version": seen.version + 1})
    writes = [Put(task_item(wanted, due), equals("version", seen.version))]
    if seen.i2sk and seen.finished_at is not None:
        ended = {**keys.task(seen.instance_id, seen.id)._asdict(), **seen.model_dump()}
        untold = keys.untold(to_text(seen.finished_at), seen.id)
        writes.append(Put({**keys.early_event(untold["i2sk"])._asdict(), **untold, "row": ended}))
    try:
        table.transact(writes)
    except TransactionCancelled:
        return None
    return wanted


def conclude(table: Table, seen: Task, fields: Mapping[str, Any], due: str, items: Sequence[TaskItem]) -> Task | None:
    """What a step came to: its items, and the task with these fields as the last; None, and no more of it is written,
    if the task is claimed by somebody else or was changed. The items of a step that is concluded twice are the same."""
    key, still_ours = keys.task(seen.instance_id, seen.id), equals("claim", seen.claim)
    rows = [_item_row(seen.id, item) for item in items]
    at_once = TRANSACTION_LIMIT_ITEMS - 1
    wanted = seen.model_copy(update={**fields, "version": seen.version + 1})
    last = _change(seen, wanted, fields, due)
    try:
        while len(rows) > at_once:
            table.transact([Check(key, still_ours), *(Put(row) for row in rows[:at_once])], relaxed=True)
            del rows[:at_once]
        if rows:
            table.transact([last, *(Put(row) for row in rows)])
        elif isinstance(last, Put):
            table.put(last.item, last.when)
        else:
            table.update(last)
    except (ConditionFailed, TransactionCancelled):
        return None
    return wanted


def _change(seen: Task, wanted: Task, fields: Mapping[str, Any], due: str) -> Put | Update:
    """A task that was cancelled while its step ran is told of already, and not again."""
    unchanged = equals("version", seen.version)
    if not seen.finished:
        return Put(task_item(wanted, due), unchanged)
    return Update(keys.task(seen.instance_id, seen.id), set=dict(fields), add={"version": 1}, when=unchanged)


def _item_row(task_id: str, item: TaskItem) -> dict[str, Any]:
    return {**keys.task_item(task_id, item.id)._asdict(), **item.model_dump(), "expires": _expiry(item.time)}


def overdue(table: Table, now: str, limit: int) -> list[tuple[str, str, str, str]]:
    """(kind, instance, task, origin) of unfinished tasks that nobody looks after."""
    found: list[tuple[str, str, str, str]] = []
    for partition in keys.due_partitions("task"):
        rows = table.query(partition, index="i1", until=f"{now}~", limit=limit).items
        found.extend((row["kind"], row["instance_id"], row["id"], row.get("origin", "")) for row in rows)
    return found
