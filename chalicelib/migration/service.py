"""The door of the room: migrations inside the service are told, and shown."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.access.service import Access
from chalicelib.edge.apicall import Call
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Invalid, Refused
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.paging import Page
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.tasks.models import Task, TasksAsked
from chalicelib.tasks.service import Tasks

from . import store
from .documents import Document, from_text
from .files import Entrances, Rule, read_entrances, read_rules
from .homes import Homes
from .models import MigrationOrder, Order, Work


class Migrations:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)
        self._tasks = Tasks(stack)

    def start(self, call: Call, instance: Instance, given: MigrationOrder) -> Task:
        """Raises Invalid naming every mistake of the files; NotFound, AddressNotAllowed, InstanceFrozen of another
        instance that is named."""
        if (given.images is None) == (given.target_instance is None):
            raise Invalid("images", "say either `images`, or `target_instance`")
        if given.target_instance is not None:
            return self._start_whole(call, instance, given, given.target_instance)
        if given.namespaces is not None:
            raise Invalid("namespaces", "goes with `target_instance`; here `images` say what is brought")
        return self._start_by_rules(call, instance, given)

    def page(self, instance: Instance, query: TasksAsked) -> Page[Task]:
        place = (query.cursor, query.limit)
        return self._tasks.list(instance.id, "migration", query.state, *place, search=query.search, sort=query.sort)

    def _start_whole(self, call: Call, instance: Instance, given: MigrationOrder, target_ref: str) -> Task:
        if given.auth is not None:
            raise Invalid("auth", "goes with `images`; between instances nobody logs in")
        target = self._other(call, target_ref)
        if target.id == instance.id:
            raise Invalid("target_instance", "is the instance itself")
        for name in given.namespaces or ():
            Namespaces(self._stack).get(instance.id, name, fresh=True)
        order = Order(
            source_id=instance.id,
            target_id=target.id,
            namespaces=given.namespaces or (),
            override=given.override,
            created_at=self._stack.clock.now(),
        )
        return self._make(call, instance, order, None, {"target_instance": target.id})

    def _start_by_rules(self, call: Call, instance: Instance, given: MigrationOrder) -> Task:
        written = given.images if isinstance(given.images, str) else json.dumps(given.images)
        images, logins = _document(written, "images"), _document(given.auth if given.auth is not None else {}, "auth")
        rules = read_rules(images, None)
        entrances = read_entrances(logins, None)
        homes = Homes(self._stack, instance.account_id, entrances)
        mistakes = []
        for rule in rules:
            try:
                self._vet(call, instance, homes, rule)
            except Refused as wrong:
                mistakes.append(images.mistake(rule.entry, wrong.message))
        if mistakes:
            raise Invalid.many(mistakes)
        order = Order(
            images=written,
            target_id=instance.id,
            override=given.override,
            logins=bool(logins.entries),
            created_at=self._stack.clock.now(),
        )
        return self._make(call, instance, order, entrances, {})

    def _vet(self, call: Call, instance: Instance, homes: Homes, rule: Rule) -> None:
        """Raises Invalid, NameInvalid, NotFound, AddressNotAllowed."""
        named = homes.instance(rule.target) if rule.target.host else instance
        if named is None or named.id != instance.id:
            raise Invalid("images", f"destination {rule.target} is not in this instance; leave the registry out")
        RepositoryName.parse(rule.target.repository)
        source = homes.instance(rule.source)
        if source is not None:
            RepositoryName.parse(rule.source.repository)
            self._let_in(call, source)

    def _other(self, call: Call, ref: str) -> Instance:
        """Another instance of the account."""
        found = self._instances.of_account(call.principal.account_id, ref)
        self._let_in(call, found)
        return found

    def _let_in(self, call: Call, instance: Instance) -> None:
        """Whoever may not reach an instance from where he is reaches it through no other one either."""
        self._instances.require_running(instance)
        Access(self._stack).admit(instance, call.request.address, call.request.internal)

    def _make(
        self, call: Call, instance: Instance, order: Order, entrances: Entrances | None, subject: dict[str, str]
    ) -> Task:
        work = Work().model_dump(mode="json")
        task, creation = self._tasks.create(instance.id, "migration", subject, call.by, work=work)
        writes = [creation, store.order_put(order, task)]
        if order.logins and entrances is not None:
            writes.append(store.logins_put(self._stack, entrances.plain(), task))
        self._stack.table.transact(writes)
        self._tasks.start(task)
        return task


def _document(given: dict[str, Any] | str, field: str) -> Document:
    if isinstance(given, str):
        return from_text(given, field)
    return from_text(json.dumps(given), field)
