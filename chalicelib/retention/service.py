"""The door of the room: a namespace's rules and schedule, and the runs that carry them out.

    edited, scheduled   the policy is written at the version that was seen, next due time included
    run begins          policy (version, run, next due time), task and run row                          one transaction

So a due time is taken by one host, however many look; a rule is never lost to another edit; and a run goes by the rules
that stood when it began, whatever is edited meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

from chalicelib.edge.answers import SearchQuery
from chalicelib.edge.log import logger
from chalicelib.kernel.errors import ConfirmationRequired, Conflict, Invalid, NotFound, Unavailable
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.paging import Page
from chalicelib.namespaces.departure import Departure
from chalicelib.namespaces.models import Namespace
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, TransactionCancelled
from chalicelib.tasks.models import Task, Trigger
from chalicelib.tasks.service import Tasks

from . import store
from .models import (
    MOST_RULES,
    NewRetentionRule,
    Policy,
    RetentionOrder,
    RetentionRule,
    RetentionRuleEdit,
    RetentionView,
    Run,
    RunOrder,
    RunQuery,
    RunView,
    Schedule,
    UnmatchedTag,
)
from .rules import Patterns
from .timetable import times
from .unmatched import Unmatched

NEXT_RUNS: Final = 5
# Edits of one namespace's rules that meet each other.
_ATTEMPTS: Final = 20


class Retention:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._tasks = Tasks(stack)
        self._departure = Departure(stack)

    # Rules and schedule

    def policy(self, namespace: Namespace) -> Policy:
        """As the table has it."""
        found = store.load(self._table, namespace.id)
        if found is None:
            return Policy(namespace_id=namespace.id, instance_id=namespace.instance_id, namespace=namespace.name)
        return found.model_copy(update={"namespace": str(namespace.name)})

    def view(self, policy: Policy) -> RetentionView:
        fields = policy.model_dump(include={"schedule", "acknowledged_at", "acknowledged_by", "run"})
        return RetentionView(**fields, next_runs=self.next_runs(policy.schedule))

    def upcoming(self, namespaces: Sequence[Namespace]) -> list[tuple[datetime, str]]:
        """When the schedules of these namespaces fire next, and each one's name, the next one first. One batch read."""
        names = {namespace.id: str(namespace.name) for namespace in namespaces}
        policies = store.load_many(self._table, list(names)) if names else []
        return sorted((policy.next_at, names[policy.namespace_id]) for policy in policies if policy.next_at is not None)

    def next_runs(self, schedule: Schedule | None) -> tuple[datetime, ...]:
        """The next five times it fires; none without one."""
        return self._times(schedule, NEXT_RUNS)

    def rule(self, namespace: Namespace, rule_id: str) -> RetentionRule:
        """Raises NotFound."""
        return _rule_of(self.policy(namespace), rule_id)

    def set_schedule(self, namespace: Namespace, order: RetentionOrder, by: str) -> Policy:
        """Raises ConfirmationRequired for a schedule whose rules nobody says to have checked."""

        def change(policy: Policy) -> dict[str, Any]:
            if order.schedule is None:
                return {"schedule": None, "next_at": None}
            self._require_checked(namespace, policy.rules, order.acknowledged, "saving the schedule")
            upcoming = self._times(order.schedule, 1)
            return {"schedule": order.schedule, "next_at": upcoming[0], **self._checked(order.acknowledged, by)}

        return self._change(namespace, change)

    def add_rule(self, namespace: Namespace, new: NewRetentionRule, by: str) -> RetentionRule:
        """Raises Conflict beyond MOST_RULES, ConfirmationRequired where a schedule is set."""
        fields = new.model_dump(exclude={"acknowledged"})
        rule = RetentionRule(id=new_id(), created_at=self._stack.clock.now(), created_by=by, **fields)

        def added(rules: Sequence[RetentionRule]) -> list[RetentionRule]:
            if len(rules) >= MOST_RULES:
                raise Conflict(f"a namespace has at most {MOST_RULES} retention rules")
            return [*rules, rule]

        self._change_rules(namespace, added, new.acknowledged, by)
        return rule

    def edit_rule(self, namespace: Namespace, rule_id: str, edit: RetentionRuleEdit, by: str) -> RetentionRule:
        """Raises NotFound, ConfirmationRequired where a schedule is set."""
        fields = {name: value for name, value in edit if value is not None and name != "acknowledged"}

        def edited(rules: Sequence[RetentionRule]) -> list[RetentionRule]:
            return [rule.model_copy(update=fields) if rule.id == rule_id else rule for rule in rules]

        return _rule_of(self._change_rules(namespace, edited, edit.acknowledged, by, rule_id), rule_id)

    def remove_rule(self, namespace: Namespace, rule_id: str, by: str, *, acknowledged: bool) -> None:
        """Raises NotFound, ConfirmationRequired where a schedule is set."""

        def left(rules: Sequence[RetentionRule]) -> list[RetentionRule]:
            return [rule for rule in rules if rule.id != rule_id]

        self._change_rules(namespace, left, acknowledged, by, rule_id)

    def _change_rules(
        self,
        namespace: Namespace,
        change: Callable[[Sequence[RetentionRule]], list[RetentionRule]],
        acknowledged: bool,
        by: str,
        rule_id: str = "",
    ) -> Policy:
        """rule_id: one that has to be there. A schedule goes on only by rules that somebody says to have checked."""

        def changed(policy: Policy) -> dict[str, Any]:
            if rule_id:
                _rule_of(policy, rule_id)
            rules = change(policy.rules)
            outdated = policy.outdated if self.runs_now(policy) else policy.run
            if policy.schedule is not None:
                self._require_checked(namespace, rules, acknowledged, "changing the rules of a schedule")
            return {"rules": tuple(rules), "outdated": outdated, **self._checked(acknowledged, by)}

        return self._change(namespace, changed)

    def _checked(self, acknowledged: bool, by: str) -> dict[str, Any]:
        """Whoever changes rules without a word of having checked them leaves it unsaid for all of them."""
        now = self._stack.clock.now()
        return {"acknowledged_at": now if acknowledged else None, "acknowledged_by": by if acknowledged else ""}

    def _change(self, namespace: Namespace, change: Callable[[Policy], dict[str, Any]]) -> Policy:
        for _ in range(_ATTEMPTS):
            seen = self.policy(namespace)
            wanted = seen.model_copy(update={**change(seen), "version": seen.version + 1})
            try:
                # A namespace that was freed meanwhile would leave this behind for ever.
                self._table.transact([self._departure.stands(namespace), store.replacement(wanted)])
            except TransactionCancelled as cancelled:
                if 0 in cancelled.failed:
                    raise NotFound(f"there is no namespace {namespace.name}", namespace=namespace.name) from cancelled
            except OutcomeUnknown:
                # Nobody else makes the same: rules have ids, and what was chosen is there or is not.
                if store.load(self._table, namespace.id) != wanted:
                    raise
                return wanted
            else:
                return wanted
        raise Unavailable

    def _times(self, schedule: Schedule | None, most: int) -> tuple[datetime, ...]:
        if schedule is None:
            return ()
        return tuple(islice(times(schedule.cron, schedule.timezone, self._stack.clock.now()), most))

    # What nobody spoke of

    def unmatched(
        self, namespace: Namespace, rules: Sequence[Patterns] | None, query: SearchQuery
    ) -> Page[UnmatchedTag]:
        """Tags that go because no pattern matches them, in name order, by passes of at most 5 000 rows.

        rules   all that there would be; None: those that are saved
        Raises Invalid naming `cursor`.
        """
        wanted = self.policy(namespace).rules if rules is None else rules
        return Unmatched(self._stack, namespace).page(wanted, query.cursor, query.limit, query.search)

    def _require_checked(self, namespace: Namespace, rules: Sequence[Patterns], acknowledged: bool, doing: str) -> None:
        if acknowledged:
            return
        found = Unmatched(self._stack, namespace).told(rules)
        raise ConfirmationRequired(
            f"{doing} asks whether all rules were checked: {found}; look at …/retention/unmatched-tags "
            "and at a dry run, and confirm with acknowledged: true"
        )

    # Runs

    def start(self, namespace: Namespace, order: RunOrder, by: str) -> Task:
        """Raises ConfirmationRequired, and Conflict without rules, or while another run deletes."""
        for _ in range(_ATTEMPTS):
            policy = self.policy(namespace)
            if not policy.rules:
                raise Conflict(f"namespace {namespace.name} has no retention rules; make one first")
            if not order.dry_run:
                self._require_checked(namespace, policy.rules, order.acknowledged, "running retention")
                if self.runs_now(policy):
                    raise Conflict("a run is under way; wait for its end, or cancel its task", task=policy.run)
            task = self.begin(policy, by, "manual", dry_run=order.dry_run)
            if task is not None:
                return task
        raise Unavailable

    def runs_now(self, policy: Policy) -> bool:
        """Whether a run that deletes is under way."""
        if not policy.run:
            return False
        try:
            return not self._tasks.get(policy.instance_id, policy.run).finished
        except NotFound:
            return False

    def require_latest(self, run: Run) -> None:
        """Before each step of a run that deletes: one that is retried goes on neither beside another that began
        since, nor by rules that were changed since. Raises Conflict, NotFound."""
        policy = store.load(self._table, run.namespace_id)
        if policy is None:
            raise NotFound("the namespace was deleted")
        if policy.run != run.task_id or policy.outdated == run.task_id:
            changed = "the rules were changed" if policy.run == run.task_id else "another run began"
            raise Conflict(f"{changed} after this run had stopped; begin a new one")

    def begin(
        self,
        policy: Policy,
        by: str,
        trigger: Trigger,
        *,
        dry_run: bool = False,
        due_at: datetime | None = None,
        next_at: datetime | None = None,
    ) -> Task | None:
        """The task of a new run, which has begun; None where the policy moved meanwhile.

        due_at, next_at   of a run of the schedule: the time it stands for, and the next
        """
        task, creation = self._tasks.create(
            policy.instance_id,
            "retention",
            {"namespace": policy.namespace},
            by,
            work={"namespace_id": policy.namespace_id},
            trigger=trigger,
        )
        run = Run(
            task_id=task.id,
            instance_id=policy.instance_id,
            namespace_id=policy.namespace_id,
            dry_run=dry_run,
            trigger=trigger,
            rules=policy.rules,
            due_at=due_at,
            created_at=task.created_at,
            created_by=by,
        )
        fields = {"run": policy.run if dry_run else task.id, "next_at": next_at or policy.next_at}
        wanted = policy.model_copy(update={**fields, "version": policy.version + 1})
        try:
            self._table.transact([store.replacement(wanted), creation, store.run_creation(run)])
        except TransactionCancelled:
            return None
        except OutcomeUnknown:
            if store.load_run(self._table, run.namespace_id, run.task_id) is None:
                raise
        logger.info("retention began", task_id=task.id, namespace_id=policy.namespace_id, trigger=trigger)
        self._tasks.start(task)
        return task

    def runs(self, namespace: Namespace, query: RunQuery) -> Page[RunView]:
        """A run is forgotten with its task. Raises Invalid naming `cursor`."""
        if query.cursor is not None and not is_id(query.cursor):
            raise Invalid("cursor", "is not `next` of a page of this list")
        found = store.runs(self._table, namespace.id, query)
        tasks = self._tasks.several(namespace.instance_id, [run.task_id for run in found.items])
        shown = tuple(_view(run, tasks[run.task_id]) for run in found.items if run.task_id in tasks)
        return Page(shown, found.next)

    def run(self, namespace: Namespace, run_id: str) -> RunView:
        """Raises NotFound."""
        run, task = self._run(namespace, run_id)
        return _view(run, task)

    def task(self, namespace: Namespace, run_id: str) -> Task:
        """Of a run. Raises NotFound."""
        return self._run(namespace, run_id)[1]

    def _run(self, namespace: Namespace, run_id: str) -> tuple[Run, Task]:
        task = self._tasks.several(namespace.instance_id, [run_id]).get(run_id)
        run = None if task is None else store.load_run(self._table, namespace.id, run_id)
        if run is None or task is None:
            raise NotFound("there is no such run")
        return run, task


def _rule_of(policy: Policy, rule_id: str) -> RetentionRule:
    for rule in policy.rules:
        if rule.id == rule_id:
            return rule
    raise NotFound("there is no such rule")


def _view(run: Run, task: Task) -> RunView:
    return RunView(
        id=run.task_id,
        dry_run=run.dry_run,
        trigger=run.trigger,
        state=task.state,
        due_at=run.due_at,
        created_at=run.created_at,
        created_by=run.created_by,
        started_at=task.started_at,
        finished_at=task.finished_at,
        looked_at=task.done,
        kept=task.counts.get("kept", 0),
        deleted=task.counts.get("deleted", 0),
        skipped=task.counts.get("skipped", 0),
        bytes=task.bytes,
        error=task.error,
    )


__all__ = ["Retention"]
