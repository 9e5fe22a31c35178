"""The door of the room: rules, the tasks that pushes call for by them, and those that somebody asks for.

rule made, edited, deleted   the rule, its claims (Y2), the remote that it uses        one transaction
push                         a task for each rule that wants it, by an id of rule and push, so that it is one
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.paging import Page, every
from chalicelib.namespaces.departure import Departure
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import TransactionCancelled, Write
from chalicelib.remotes.service import Remotes
from chalicelib.tasks.models import Task
from chalicelib.tasks.service import Tasks

from . import store
from .claims import Claims
from .models import (
    MOST_RULES,
    NewSyncRule,
    Order,
    Rule,
    SyncOrder,
    SyncRuleEdit,
    SyncRuleQuery,
    SyncRuleView,
    SyncTaskQuery,
    Work,
)
from .rules import DECIDING
from .targets import Targets

_PLACES: Final = frozenset({"source_namespace", "target_instance", "target_namespace"})
# Edits that meet each other.
_ATTEMPTS: Final = 20


class Sync:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._claims = Claims(stack)
        self._departure = Departure(stack)
        self._remotes = Remotes(stack)
        self._targets = Targets(stack)
        self._tasks = Tasks(stack)

    # Rules

    def create(self, instance: Instance, new: NewSyncRule, by: str) -> Rule:
        """Raises Invalid naming what is not there, EditionRequired, Conflict that names the rule in the way."""
        rule_id, now = new_id(), self._stack.clock.now()

        def made() -> Rule:
            if len(self.page(instance, SyncRuleQuery(limit=MOST_RULES)).items) >= MOST_RULES:
                raise Conflict(f"an instance has at most {MOST_RULES} synchronisation rules")
            return Rule(
                id=rule_id,
                instance_id=instance.id,
                account_id=instance.account_id,
                since=new_id(),
                created_at=now,
                created_by=by,
                name=new.name,
                description=new.description,
                enabled=new.enabled,
                **self._order(instance, new).model_dump(),
            )

        return self._write(instance, lambda: (None, made()))

    def edit(self, instance: Instance, rule_id: str, edit: SyncRuleEdit) -> Rule:
        """Raises NotFound, and as `create`."""
        given = edit.model_dump(exclude_none=True)

        def edited() -> tuple[Rule, Rule]:
            seen = self.rule(instance, rule_id)
            as_said = {**seen.model_dump(), "target_instance": seen.target_id, **given}
            order = SyncOrder.model_validate({name: as_said[name] for name in SyncOrder.model_fields})
            fields: dict[str, Any] = order.model_dump(include=set(Order.model_fields))
            if _PLACES & given.keys():
                fields = self._order(instance, order).model_dump()
            said: dict[str, Any] = {name: given[name] for name in ("name", "description", "enabled") if name in given}
            wanted = seen.model_copy(update={**fields, **said, "version": seen.version + 1})
            switched_on = wanted.enabled and not seen.enabled
            if switched_on or any(getattr(wanted, name) != getattr(seen, name) for name in DECIDING):
                wanted = wanted.model_copy(update={"since": new_id()})
            return seen, wanted

        return self._write(instance, edited)

    def delete(self, instance: Instance, rule_id: str) -> Rule:
        """What it brought stays. Raises NotFound."""
        for _ in range(_ATTEMPTS):
            seen = self.rule(instance, rule_id)
            try:
                claims, uses = self._claims.writes(seen, seen, None), self._uses(instance, seen, seen, None)
                self._table.transact([store.deletion(seen), *claims, *uses])
            except TransactionCancelled:
                continue
            return seen
        raise _busy()

    def rule(self, instance: Instance, rule_id: str) -> Rule:
        """As the table has it. Raises NotFound."""
        found = store.load(self._table, instance.id, rule_id) if is_id(rule_id) else None
        if found is None:
            raise NotFound("there is no such synchronisation rule")
        return found

    def page(self, instance: Instance, query: SyncRuleQuery) -> Page[Rule]:
        """Raises Invalid naming `cursor`."""
        return store.found(self._table, instance.id, query)

    def rules_of(self, instance: Instance) -> Sequence[Rule]:
        """All of an instance. From memory only where that shows every write at once: a push may follow its rule by
        milliseconds."""

        def load() -> Sequence[Rule]:
            return tuple(every(lambda cursor: store.page(self._table, instance.id, cursor, MOST_RULES)))

        return self._stack.memory.get(("sync rules", instance.id), load) if self._stack.exact else load()

    def view(self, instance: Instance, rule: Rule) -> SyncRuleView:
        fields = rule.model_dump(include=set(SyncRuleView.model_fields))
        return SyncRuleView(
            **fields,
            target_instance=rule.target_id,
            target_name=self._targets.name(rule, instance),
            problem=self._targets.problem(rule, instance),
        )

    def _write(self, instance: Instance, made: Callable[[], tuple[Rule | None, Rule]]) -> Rule:
        """made: the rule as it was seen, None for a new one, and as it is wanted; asked again where somebody was
        quicker."""
        for _ in range(_ATTEMPTS):
            seen, wanted = made()
            row = store.creation(wanted) if seen is None else store.replacement(seen, wanted)
            claims, uses = self._claims.writes(wanted, seen, wanted), self._uses(instance, wanted, seen, wanted)
            try:
                self._table.transact([row, *claims, *uses, *self._standing(seen, wanted)])
            except TransactionCancelled:
                continue
            return wanted
        raise _busy()

    def _order(self, instance: Instance, order: SyncOrder) -> Order:
        """With its target found. Raises Invalid, EditionRequired, InstanceFrozen."""
        place = self._targets.named(instance, order.target_instance)
        self._targets.namespace(instance, order.source_namespace, "source_namespace")
        if (place.key, order.target_namespace) == (instance.id, order.source_namespace):
            raise Invalid("target_namespace", "is the source itself; choose another namespace, or another instance")
        self._targets.require(place, order.target_namespace)
        return Order(
            target_kind=place.kind,
            target_id=place.id,
            place=place.key,
            **order.model_dump(include=set(Order.model_fields)),
        )

    def _standing(self, seen: Rule | None, wanted: Rule) -> list[Write]:
        """The namespaces of a new place do not go before the rule comes. What is elsewhere nobody knows."""
        before, checks = seen.claims() if seen is not None else {}, list[Write]()
        for (place, name), role in wanted.claims().items():
            elsewhere = role == "target" and wanted.target_kind == "remote"
            if (place, name) not in before and not elsewhere:
                namespace = self._targets.namespace(Instances(self._stack).load(place), name, f"{role}_namespace")
                checks.append(self._departure.stands(namespace))
        return checks

    def _uses(self, instance: Instance, rule: Rule, seen: Rule | None, wanted: Rule | None) -> list[Write]:
        """Remotes are told which rules need them."""
        before = seen.target_id if seen is not None and seen.target_kind == "remote" else ""
        after = wanted.target_id if wanted is not None and wanted.target_kind == "remote" else ""
        writes = []
        for remote_id in dict.fromkeys(filter(None, (before, after))):
            try:
                remote = self._remotes.get(instance, remote_id)
            except NotFound:
                if remote_id == after:
                    raise Invalid("target_instance", "the remote is gone; choose another target") from None
                continue
            if remote_id == after and wanted is not None and remote.host != wanted.place:
                raise _busy()  # It was moved after it was looked at.
            used = {**remote.used_by, rule.id: rule.name}
            if remote_id != after:
                del used[rule.id]
            if used != remote.used_by:
                writes.append(self._remotes.using(remote, used))
        return writes

    # Tasks

    def start(self, instance: Instance, order: SyncOrder, by: str) -> Task:
        """Brings what is there already. Rules stand in nobody's way here. Raises Invalid, EditionRequired."""
        found = self._order(instance, order)
        work = Work(order=found, listed=False)
        subject = {
            "namespace": found.source_namespace,
            "target_instance": found.target_id,
            "target_namespace": found.target_namespace,
            "rule": "",
        }
        task, creation = self._tasks.create(instance.id, "sync", subject, by, work=work.model_dump(mode="json"))
        self._table.transact([creation])
        self._tasks.start(task)
        return task

    def tasks(self, instance: Instance, query: SyncTaskQuery) -> Page[Task]:
        about = {} if not query.rule else {"rule": "" if query.rule == "manual" else query.rule}
        place = (query.cursor, query.limit)
        return self._tasks.list(
            instance.id, "sync", query.state, *place, about=about, search=query.search, sort=query.sort
        )


def _busy() -> Unavailable:
    return Unavailable("synchronisation rules are being edited by others; try again")
