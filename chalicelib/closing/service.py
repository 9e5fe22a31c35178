"""The door of the room: deleting an instance for good, in steps that may be interrupted and repeated.

    asked ─► `releasing`: nobody gets in ─► rounds over all that is left ─► one that finds nothing ─► the instance goes
             └─ with its task, one transaction      └─ one at least after the last push may have ended

A push that set out before the instance closed ends within the life of its intent. Until then the last round waits.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from chalicelib.edge.log import logger
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, NotFound
from chalicelib.kernel.moment import from_text, to_text
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, Put, TransactionCancelled
from chalicelib.tasks.models import Step, Task
from chalicelib.tasks.service import Tasks

from .remains import Remains

# Looks of one step: each is a page of a list, and what was on it goes.
LOOKS_A_STEP: Final = 25
# Things after which a step takes no further look: some need several calls of a store each.
THINGS_A_STEP: Final = 200
# Beyond an intent's life: what its end leaves behind is cleared by then.
MARGIN: Final = timedelta(minutes=5)


class Closing:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)
        self._tasks = Tasks(stack)

    def begin(self, instance: Instance, by: str) -> Task:
        """From now on nobody gets into the instance; the task deletes all of it. Safe to repeat: one instance is
        deleted by one task. Raises Conflict if the instance was changed meanwhile."""
        if instance.state == "releasing":
            return self._again(instance, by)
        now = self._stack.clock.now()
        in_use = self._instances.state(instance) == "running"
        quiet_from = now + timedelta(seconds=self._stack.settings.intent_ttl_s) + MARGIN if in_use else now
        task, creation = self._task(instance, by, to_text(quiet_from))
        _, change = self._instances.changing(instance, state="releasing", asked_at=now)
        try:
            self._stack.table.transact([change, creation])
        except TransactionCancelled as cancelled:
            raise Conflict(f"instance {instance.name} was changed meanwhile; try again") from cancelled
        except OutcomeUnknown:
            if self._instances.load(instance.id).state != "releasing":
                raise
        self._tasks.start(task)
        logger.info("instance closed", instance_id=instance.id, by=by)
        return task

    def go_on(self, instance_id: str, by: str) -> Task | None:
        """An instance that is to be deleted is: its task is made if there is none, and woken if it gave up.

        None where the instance is gone already, or is not to be deleted.
        """
        try:
            instance = self._instances.load(instance_id)
        except NotFound:
            return None
        return self._again(instance, by) if instance.state == "releasing" else None

    def _again(self, instance: Instance, by: str) -> Task:
        try:
            task = self._tasks.get(instance.id, instance.id)
        except NotFound:
            made, creation = self._task(instance, by, to_text(self._stack.clock.now()))
            try:
                self._stack.table.transact([creation])
            except TransactionCancelled:
                return self._tasks.get(instance.id, instance.id)
            self._tasks.start(made)
            return made
        return self._tasks.retry(task) if task.state in ("failed", "cancelled") else task

    def _task(self, instance: Instance, by: str, quiet_from: str) -> tuple[Task, Put]:
        work = {"what": "instance", "quiet_from": quiet_from, "phase": 0, "cursor": "", "found": 0}
        return self._tasks.create(
            instance.id, "deletion", {"instance": instance.name}, by, work=work, cancellable=False, task_id=instance.id
        )

    def carry_out(self, task: Task) -> Step:
        """Some of what is left goes. Safe to repeat and to interrupt."""
        instance = self._instances.load(task.instance_id)
        if instance.state != "releasing":
            raise Conflict(f"instance {instance.name} is not being deleted")
        remains = Remains(self._stack, instance, task.id)
        phase, cursor, found = int(task.work["phase"]), str(task.work["cursor"]), 0
        for _ in range(LOOKS_A_STEP):
            if phase == len(remains.phases):
                return self._round_over(task, instance, found)
            gone, following = remains.phases[phase](cursor)
            found += gone
            phase, cursor = (phase, following) if following is not None else (phase + 1, "")
            if found >= THINGS_A_STEP:
                break
        so_far = int(task.work["found"]) + found
        return Step({**task.work, "phase": phase, "cursor": cursor, "found": so_far}, done=found)

    def _round_over(self, task: Task, instance: Instance, found: int) -> Step:
        """Another round, unless this one found nothing and nobody can have added anything while it looked."""
        quiet_from, now = from_text(task.work["quiet_from"]), self._stack.clock.now()
        nothing_found = found == 0 and int(task.work["found"]) == 0
        began_quiet = bool(task.work.get("quiet"))
        if nothing_found and began_quiet:
            # The task first: without it the instance's own schedule asks again, and all is found gone.
            self._tasks.forget(task)
            self._instances.forget(instance)
            logger.info("instance deleted", instance_id=instance.id)
            return Step(None)
        wait_s = max(0, int((quiet_from - now).total_seconds()) + 1) if now < quiet_from else 0
        next_round = {**task.work, "phase": 0, "cursor": "", "found": 0, "quiet": True}
        return Step(next_round, done=found, wait_s=wait_s)
