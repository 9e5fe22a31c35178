"""An instance's rules: listed across its namespaces, and changed one at a time.

A change writes every copy of a namespace's policy in one transaction, if the namespace stands and nobody changed the
policy meanwhile; else it is made again on what stands by then. Whoever moves a tag at that moment is judged anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.names import NamespaceName
from chalicelib.kernel.paging import MOST_ROWS, Page
from chalicelib.namespaces.departure import Departure
from chalicelib.namespaces.models import Namespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, TransactionCancelled

from . import store
from .models import NewRule, Policy, Rule, RuleEdit, RuleQuery, RuleView
from .rules import MOST_RULES

# Each lost turn means that a rule was changed, or on AWS that a push met one of the copies.
ATTEMPTS: Final = 50
_NAMESPACES_AT_ONCE: Final = 100

Rules = tuple[Rule, ...]


class Policies:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._namespaces = Namespaces(stack)
        self._departure = Departure(stack)

    # Reading

    def page(self, instance: Instance, query: RuleQuery) -> Page[RuleView]:
        """By namespace, then as they were made, by a pass over MOST_ROWS rules. Raises NotFound, Invalid."""
        begin, last = _place(query.cursor)
        descending = query.sort == "-namespace"
        found: list[RuleView] = []
        for number, rule in enumerate(self._following(instance, query.namespace, (begin, last), descending)):
            if len(found) == query.limit or number == MOST_ROWS:
                return Page(tuple(found), f"{begin}/{last}")
            begin, last = rule.namespace, rule.id
            if _wanted(rule, query):
                found.append(rule)
        return Page(tuple(found))

    def _following(
        self, instance: Instance, namespace: str, after: tuple[str, str], descending: bool
    ) -> Iterator[RuleView]:
        for one, policy in self._policies(instance, namespace, after[0], descending=descending):
            for rule in policy.rules:
                if str(one.name) != after[0] or rule.id > after[1]:
                    yield _view(rule, one)

    def rule(self, instance: Instance, rule_id: str) -> RuleView:
        """Raises NotFound."""
        return _view(*self._find(instance, rule_id))

    def in_force(self, instance: Instance) -> list[tuple[Namespace, Policy]]:
        """Namespaces in which some rule is enabled."""
        found = self._policies(instance, "", "")
        return [(one, policy) for one, policy in found if any(rule.enabled for rule in policy.rules)]

    def _find(self, instance: Instance, rule_id: str) -> tuple[Rule, Namespace]:
        for namespace, policy in self._policies(instance, "", "") if is_id(rule_id) else ():
            for rule in policy.rules:
                if rule.id == rule_id:
                    return rule, namespace
        raise _missing()

    def _policies(
        self, instance: Instance, namespace: str, begin: str, *, descending: bool = False
    ) -> Iterator[tuple[Namespace, Policy]]:
        """Of the namespaces from this name on, a page of them at a time."""
        if namespace:
            yield from self._read([self._namespaces.get(instance.id, namespace, fresh=True)])
            return
        if begin:
            yield from self._read(self._standing(instance, begin))
        cursor: str | None = begin or None
        while True:
            page = self._namespaces.search(
                instance.id, "", cursor=cursor, limit=_NAMESPACES_AT_ONCE, descending=descending
            )
            yield from self._read(list(page.items))
            cursor = page.next
            if cursor is None:
                return

    def _standing(self, instance: Instance, name: str) -> list[Namespace]:
        try:
            return [self._namespaces.get(instance.id, name, fresh=True)]
        except NotFound:
            return []

    def _read(self, namespaces: list[Namespace]) -> Iterator[tuple[Namespace, Policy]]:
        wanted = {one.id: keys.policy(one.id, 0) for one in namespaces}
        found = self._table.get_many(list(wanted.values())) if wanted else {}
        for one in namespaces:
            yield one, store.read(one.id, found.get(wanted[one.id]))

    # Changing

    def add(self, instance: Instance, new: NewRule, by: str) -> RuleView:
        """In force when this returns. Raises NotFound, Conflict where the namespace has as many as it may."""
        namespace = self._namespaces.get(instance.id, new.namespace, fresh=True)
        moment = self._stack.clock.now()
        rule = Rule(id=new_id(), created_at=moment, created_by=by, **new.model_dump(exclude={"namespace"}))

        def added(rules: Rules) -> Rules:
            if any(one.id == rule.id for one in rules):
                return rules
            if len(rules) >= MOST_RULES:
                raise Conflict(f"namespace {namespace.name} has {MOST_RULES} rules, and may have no more")
            # Another that was made later may have come before: pages go by ids.
            return tuple(sorted((*rules, rule), key=lambda one: one.id))

        self._change(namespace, added)
        return _view(rule, namespace)

    def edit(self, instance: Instance, rule_id: str, change: RuleEdit) -> RuleView:
        """In force when this returns. Raises NotFound."""
        _, namespace = self._find(instance, rule_id)
        fields = {name: value for name, value in change if value is not None}

        def edited(rules: Rules) -> Rules:
            if all(one.id != rule_id for one in rules):
                raise _missing()
            return tuple(one.model_copy(update=fields) if one.id == rule_id else one for one in rules)

        rules = self._change(namespace, edited)
        return next(_view(one, namespace) for one in rules if one.id == rule_id)

    def remove(self, instance: Instance, rule_id: str) -> RuleView:
        """What it was. Raises NotFound."""
        rule, namespace = self._find(instance, rule_id)
        self._change(namespace, lambda rules: tuple(one for one in rules if one.id != rule_id))
        return _view(rule, namespace)

    def _change(self, namespace: Namespace, change: Callable[[Rules], Rules]) -> Rules:
        """change: makes nothing more of what it has made already: nothing is done twice where no answer came."""
        for _ in range(ATTEMPTS):
            seen = store.read(namespace.id, self._table.get(keys.policy(namespace.id, 0)))
            rules = change(seen.rules)
            if rules == seen.rules:
                return rules
            wanted = seen.model_copy(update={"version": seen.version + 1, "rules": rules})
            try:
                # A namespace that left meanwhile would leave these rules behind for ever.
                self._table.transact([self._departure.stands(namespace), *store.replacement(wanted)])
            except TransactionCancelled as cancelled:
                if 0 in cancelled.failed:
                    raise NotFound(f"there is no namespace {namespace.name}", namespace=namespace.name) from cancelled
            except OutcomeUnknown:
                continue
            else:
                return rules
        raise Unavailable


def _view(rule: Rule, namespace: Namespace) -> RuleView:
    return RuleView(namespace=namespace.name, **rule.model_dump())


def _wanted(rule: RuleView, query: RuleQuery) -> bool:
    told = (rule.namespace, rule.repositories, rule.tags)
    return query.enabled in (None, rule.enabled) and any(query.search in text for text in told)


def _missing() -> NotFound:
    return NotFound("there is no such immutability rule")


def _place(cursor: str | None) -> tuple[str, str]:
    """Namespace and rule of the last one shown. Raises Invalid for a foreign cursor."""
    if cursor is None:
        return "", ""
    namespace, slash, rule = cursor.partition("/")
    if not slash or not NamespaceName.fits(namespace) or not is_id(rule):
        raise Invalid("cursor", "is not `next` of a page of this list")
    return namespace, rule
