"""Who is whose source and target (Y2), held by one transaction with each rule.

    claims read ─► somebody in the way? Conflict that names the rule ─► rule and claims written, each as it was seen
                                                                        └─ somebody was quicker: read again

A namespace that is a rule's target is no other rule's, and no rule's source; sources are shared by any number of rules.
Rules that are switched off count too. Claims go with their rule, whatever became of the namespaces.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.kernel.errors import Conflict
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Write

from . import rules, store
from .models import Role, Rule


class Claims:
    def __init__(self, stack: Stack) -> None:
        self._table = stack.table

    def writes(self, rule: Rule, seen: Rule | None, wanted: Rule | None) -> Sequence[Write]:
        """For the transaction that makes the one rule of the other; None before the first and after the last.

        Raises Conflict that names the rule in the way.
        """
        before = seen.claims() if seen is not None else {}
        after = wanted.claims() if wanted is not None else {}
        moved = [place for place in {**before, **after} if before.get(place) != after.get(place)]
        found = store.claims(self._table, rule.account_id, moved)
        writes = []
        for place in moved:
            role = after.get(place)
            if role is not None and (other := rules.in_the_way(found.get(place), role, rule.id)) is not None:
                raise self._conflict(place, role, found[place].role, other)
            writes.append(
                store.claim_write(rule.account_id, place, found.get(place), rules.changed(found.get(place), role, rule))
            )
        return [write for write in writes if write is not None]

    def _conflict(self, place: store.Place, wanted: Role, standing: Role, other: tuple[str, str]) -> Conflict:
        rule_id, instance_id = other
        rule = store.load(self._table, instance_id, rule_id)
        named = f"{rule.name} ({rule_id})" if rule is not None else rule_id
        field = "source_namespace" if wanted == "source" else "target_namespace"
        return Conflict.on(
            field,
            f"namespace {place[1]} is the {standing} of synchronisation rule {named}, so it cannot be the {wanted} of "
            "another; choose another namespace, or delete that rule",
        )
