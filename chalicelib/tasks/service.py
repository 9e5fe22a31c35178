"""The door of the room: making tasks, carrying their steps out, showing, cancelling and retrying them.

    create ─► queued ─► running ─► succeeded      a step: claim at the version seen → a bounded piece of work
                 │         ├─────► failed                → what came of it, at the claim's version → next message
                 └─────────┴─────► cancelled

A message is a hint. A task that is not finished has a due row, by which the sweep sends a lost message again. A claim
keeps two steps of one task from running at once, and runs out, so that another takes up the step of a process that
died, or slept: then its result counts no more. Who cancels, or retries, while a step runs leaves its claim alone, so
what it came to is told all the same. What a step writes outside of the task it writes so that twice is harmless.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from chalicelib.edge.consume import encode
from chalicelib.edge.log import logger
from chalicelib.edge.metrics import count
from chalicelib.kernel.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.messages import ContinueTask
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.origin import following, request_id
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.passes import rows_wanted
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Delete, Item, Key, Put

from . import store
from .models import CONTINUED_BY, Kind, State, Step, Task, TaskItem, Trigger

Worker = Callable[[Stack, Task], Step]

# A step is bounded so that it takes seconds, whatever its task is about: nobody prolongs a claim. One that takes longer
# than this is carried out by two, and the first of them in vain.
CLAIM: Final = timedelta(minutes=5)
# A message that was sent is looked for again after this long.
PATIENCE: Final = timedelta(minutes=1)
# Steps in a row that came to nothing, after which the task is given up and shows why.
MOST_FAILURES: Final = 8
# Lost messages that one sweep sends again, of each shard.
MOST_OVERDUE: Final = 100
# Steps meet others who change the task this often at most.
_ATTEMPTS: Final = 20
# Tags are the longest things that items are about; beyond a kilobyte DynamoDB takes no key.
_LONGEST_ITEM_ID_BYTES: Final = 512


class Tasks:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table

    # Making

    def create(
        self,
        instance_id: str,
        kind: Kind,
        subject: Mapping[str, str],
        by: str,
        *,
        work: Mapping[str, Any] | None = None,
        trigger: Trigger = "manual",
        total: int | None = None,
        cancellable: bool = True,
        task_id: str = "",
    ) -> tuple[Task, Put]:
        """A task, and the write that makes it, for somebody's transaction. `start` it once that is done.

        subject  what it is about, shown; work: what its worker needs; task_id: where there can be only one
        """
        now = self._stack.clock.now()
        task = Task(
            id=task_id or new_id(),
            instance_id=instance_id,
            kind=kind,
            subject=dict(subject),
            work=dict(work or {}),
            cancellable=cancellable,
            total=total,
            trigger=trigger,
            created_at=now,
            created_by=by,
            origin=request_id(),
        )
        return task, store.creation(task, to_text(now + PATIENCE))

    def start(self, task: Task) -> None:
        """Sends the message that begins it. If that gets lost, the sweep sends it again."""
        message = _message(task)
        self._stack.queues.send(message.queue, [encode(message)])

    # Carrying out

    def carry_out(self, instance_id: str, task_id: str, workers: Mapping[str, Worker]) -> list[ContinueTask]:
        """One step of a task; answers the message for the next. A message that comes twice, or late, does nothing.

        workers   kind → what carries a step out. What it refuses ends the task; what it stumbles over is tried again.
        """
        task = self._claim(instance_id, task_id)
        if task is None:
            return []
        # The message may be older than the task's last retry, or than messages that say whose they are.
        with following(task.origin):
            return self._carry_out(task, workers)

    def _carry_out(self, task: Task, workers: Mapping[str, Worker]) -> list[ContinueTask]:
        try:
            step = workers[task.kind](self._stack, task)
        except Unavailable:
            self._stumble(task)
            raise
        except Refused as refused:
            self._fail(task, refused.message)
            return []
        except Exception:
            self._stumble(task)
            raise
        return self._advance(task, step)

    def overdue(self) -> list[ContinueTask]:
        """Messages for unfinished tasks that nobody looks after: theirs got lost, or their process died."""
        now = to_text(self._stack.clock.now())
        found = store.overdue(self._table, now, MOST_OVERDUE)
        return [
            CONTINUED_BY.get(kind, ContinueTask)(instance_id=instance, task_id=task, origin=origin)
            for kind, instance, task, origin in found
        ]

    def _claim(self, instance_id: str, task_id: str) -> Task | None:
        task = store.load(self._table, instance_id, task_id)
        now = self._stack.clock.now()
        if task is None or task.finished or task.claimed_until > to_text(now):
            return None
        until = to_text(now + CLAIM)
        fields: dict[str, Any] = {"state": "running", "claimed_until": until, "claim": new_id()}
        fields["started_at"] = task.started_at or now
        if task.claimed_until:
            # Whoever claimed it before did not come back to say what became of the step.
            fields["failures"] = task.failures + 1
        if fields.get("failures", 0) > MOST_FAILURES:
            self._end(task, "failed", task.error or "its steps were interrupted again and again")
            return None
        return store.replace(self._table, task, fields, until)

    def _advance(self, claimed: Task, step: Step) -> list[ContinueTask]:
        following = self._conclude(claimed, lambda task: self._after(task, step), step)
        if following is None or following.finished:
            return []
        return [] if step.wait_s else [_message(following)]

    def _after(self, task: Task, step: Step) -> dict[str, Any]:
        """What changes of the task by a step. One that was cancelled meanwhile stays so."""
        fields: dict[str, Any] = {
            "done": task.done + step.done,
            "bytes": task.bytes + step.bytes,
            "counts": dict(Counter(task.counts) + Counter(step.counts)),
            "total": task.total if step.total is None else step.total,
        }
        if step.work is not None:
            fields["work"] = dict(step.work)
        if task.finished:
            return fields
        fields |= {"failures": 0, "error": "", "waits_for": step.waits_for}
        if step.failed:
            return {**fields, "state": "failed", "error": step.failed, "finished_at": self._stack.clock.now()}
        if step.work is None:
            return {**fields, "state": "succeeded", "finished_at": self._stack.clock.now(), "work": {}}
        return fields

    def _stumble(self, claimed: Task) -> None:
        """A step came to nothing. Another is tried, now and then later; after many the task is given up."""
        failures = claimed.failures + 1
        logger.exception("failed to carry out a step", task_id=claimed.id, kind=claimed.kind, failures=failures)
        if failures >= MOST_FAILURES:
            self._fail(claimed, "something went wrong again and again; ask the operator about this task's id")
            return
        again = Step({}, wait_s=int(PATIENCE.total_seconds()) * failures)
        self._conclude(claimed, lambda task: {} if task.finished else {"failures": failures}, again)

    def _fail(self, claimed: Task, error: str) -> None:
        failed = {"state": "failed", "finished_at": self._stack.clock.now(), "error": error, "waits_for": ""}
        self._conclude(claimed, lambda task: {} if task.finished else failed, Step(None))

    def _conclude(self, claimed: Task, fields: Callable[[Task], dict[str, Any]], step: Step) -> Task | None:
        """Writes what a step came to, unless its claim ran out and somebody else took it up. None: it did.

        fields   of the task as it stands, which may have been cancelled or retried while the step ran
        """
        waits = timedelta(seconds=step.wait_s) if step.wait_s else PATIENCE
        task: Task | None = claimed
        for _ in range(_ATTEMPTS):
            if task is None or task.claim != claimed.claim:
                logger.warning("step was taken over", task_id=claimed.id, kind=claimed.kind)
                return None
            changed = {**fields(task), "claimed_until": "", "claim": ""}
            due = to_text(self._stack.clock.now() + waits)
            concluded = store.conclude(self._table, task, changed, due, step.items)
            if concluded is not None:
                _log_end(task, concluded)
                return concluded
            task = store.load(self._table, claimed.instance_id, claimed.id)
        raise Unavailable

    def _end(self, task: Task, state: State, error: str = "") -> Task | None:
        """Whoever carries out a step of it now may still tell what that came to."""
        fields = {"state": state, "finished_at": self._stack.clock.now(), "error": error, "waits_for": ""}
        ended = store.replace(self._table, task, fields, "")
        if ended is not None:
            _log_end(task, ended)
        return ended

    # What people see and ask for

    def get(self, instance_id: str, task_id: str) -> Task:
        """Raises NotFound."""
        task = store.load(self._table, instance_id, task_id) if is_id(task_id) else None
        if task is None:
            raise NotFound("there is no such task")
        return task

    def several(self, instance_id: str, task_ids: Sequence[str]) -> dict[str, Task]:
        """Those that are there, by their ids."""
        wanted = [keys.task(instance_id, task_id) for task_id in task_ids if is_id(task_id)]
        return {row["id"]: Task.model_validate(row) for row in self._table.get_many(wanted).values()}

    def list(
        self,
        instance_id: str,
        kind: Kind | None,
        state: State | None,
        cursor: str | None,
        limit: int,
        about: Mapping[str, str] | None = None,
        *,
        search: str = "",
        sort: str = "-created_at",
    ) -> Page[Task]:
        """A page may be short, or empty, where few of many tasks are asked for: its cursor goes on.

        about    only tasks whose subject says so
        search   only tasks whose subject says something that holds this, or whose id it is
        """
        _refuse_unless(cursor is None or is_id(cursor))

        def wanted(row: Item) -> bool:
            subject = row["subject"]
            fits = all(subject.get(name) == text for name, text in (about or {}).items())
            found = not search or search == row["id"] or any(search in str(text) for text in subject.values())
            return fits and found and kind in (None, row["kind"]) and state in (None, row["state"])

        descending = sort.startswith("-")
        page = rows_wanted(self._table, keys.task(instance_id, ""), wanted, cursor, limit, descending=descending)
        return page.map(Task.model_validate)

    def latest(self, instance_id: str, number: int) -> tuple[Task, ...]:
        """So many of the newest, newest first: one query."""
        first = keys.task(instance_id, "")
        found = self._table.query(first.pk, prefix=first.sk, limit=number, descending=True)
        return tuple(Task.model_validate(row) for row in found.items)

    def items(
        self, task: Task, verdict: str, cursor: str | None, limit: int, search: str = "", *, descending: bool = False
    ) -> Page[TaskItem]:
        """What it did so far, in the order of the items' ids. search: text that repository, tag or digest holds."""
        _refuse_unless(cursor is None or (cursor.isprintable() and len(cursor.encode()) <= _LONGEST_ITEM_ID_BYTES))

        def wanted(row: Item) -> bool:
            told = f"{row['repository']}:{row['tag']} {row['digest']}"
            return verdict in ("", row["verdict"]) and search in told

        first = keys.task_item(task.id, "")
        found = rows_wanted(self._table, first, wanted, cursor, limit, descending=descending)
        return found.map(TaskItem.model_validate)

    def cancel(self, task: Task) -> Task:
        """What is done stays done. Raises Conflict if it is finished, or cannot be stopped half-way."""
        if not task.cancellable:
            stopped = "the task is finished" if task.finished else "this task cannot be stopped half-way; let it finish"
            raise Conflict(stopped)
        return self._change(task, lambda seen: not seen.finished, "is finished", self._cancelled)

    def _cancelled(self, task: Task) -> Task | None:
        return self._end(task, "cancelled")

    def retry(self, task: Task) -> Task:
        """Goes on where it stopped. Raises Conflict unless it failed or was cancelled."""
        stopped = ("failed", "cancelled")
        again = self._change(task, lambda seen: seen.state in stopped, "neither failed nor was cancelled", self._again)
        logger.info("task retried", task_id=task.id, kind=task.kind, instance_id=task.instance_id, before=task.origin)
        self.start(again)
        return again

    def _again(self, task: Task) -> Task | None:
        fields = {"state": "queued", "error": "", "failures": 0, "finished_at": None, "origin": request_id()}
        return store.begin_anew(self._table, task, fields, to_text(self._stack.clock.now() + PATIENCE))

    def _change(
        self, task: Task, allowed: Callable[[Task], bool], why_not: str, change: Callable[[Task], Task | None]
    ) -> Task:
        """A step that is under way changes the task now and then: look again."""
        for _ in range(_ATTEMPTS):
            if not allowed(task):
                raise Conflict(f"the task {why_not}")
            changed = change(task)
            if changed is not None:
                return changed
            task = self.get(task.instance_id, task.id)
        raise Unavailable

    # Leaving

    def forget(self, task: Task) -> None:
        """Deletes the task, with its items. Safe to repeat."""
        while self._drop_items(task.id, 100):
            pass
        self._table.delete(keys.task(task.instance_id, task.id))

    def remove(self, instance_id: str, limit: int, keep: str = "") -> bool:
        """Deletes some tasks of an instance with their items, all but `keep`; answers whether there may be more.

        limit   tasks, and items of one of them: up to the 100 of a transaction
        """
        rows = self._table.query(keys.tasks_partition(instance_id), limit=limit).items
        others = [row for row in rows if row["id"] != keep]
        for row in others:
            if self._drop_items(row["id"], limit) == limit:
                return True
            self._table.delete(keys.task(instance_id, row["id"]))
        return bool(others)

    def _drop_items(self, task_id: str, limit: int) -> int:
        """How many went."""
        items = self._table.query(keys.task_items(task_id), limit=limit).items
        if items:
            self._table.transact([Delete(Key(item["pk"], item["sk"])) for item in items], relaxed=True)
        return len(items)


def _log_end(before: Task, after: Task) -> None:
    if after.finished and not before.finished:
        count("tasks_ended", kind=after.kind, state=after.state)
        logger.info("task ended", task_id=after.id, kind=after.kind, instance_id=after.instance_id, state=after.state)


def _message(task: Task) -> ContinueTask:
    return CONTINUED_BY.get(task.kind, ContinueTask)(instance_id=task.instance_id, task_id=task.id)


def _refuse_unless(cursor_fits: bool) -> None:
    if not cursor_fits:
        raise Invalid("cursor", "is not one of this list's")


__all__ = ["Step", "Task", "TaskItem", "Tasks", "Worker"]
