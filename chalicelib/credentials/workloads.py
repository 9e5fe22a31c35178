"""Logins of CI jobs without a stored secret: a token of the job's identity provider for a short-lived robot (X4).

token ─► a rule of the instance is about it ─► genuine, for us, in time ─► not used before ─► robot of the rule
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from chalicelib.identity import oidc
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict, Invalid, NotFound
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.paging import Page, every
from chalicelib.ports import keys
from chalicelib.ports.passes import rows_sorted
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Item, absent, present

from .models import NewSecret, Workload
from .robots import Robots
from .rules import WORKLOAD_PREFIX
from .shapes import NewWorkload, WorkloadQuery

# Strangers' logins look through all of an instance's, and hold a worker thread meanwhile that others need.
MOST_WORKLOADS: Final = 100
_AT_ONCE: Final = 200


class Workloads:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._instances = Instances(stack)

    def create(self, instance: Instance, new: NewWorkload, by: str) -> Workload:
        """Raises Invalid naming `issuer` or `subject`, Conflict where the instance has enough of them."""
        oidc.require_issuer(self._stack, new.issuer)
        if new.subject.everything and not new.claims:
            raise Invalid("subject", "takes everybody whom the issuer knows; narrow it, or name a claim")
        # Several at once may pass by one or two: it is the hundreds that matter.
        if sum(1 for _ in self._every(instance)) >= MOST_WORKLOADS:
            raise Conflict(f"an instance has at most {MOST_WORKLOADS} workload identities; delete one first")
        workload = Workload(
            id=new_id(),
            instance_id=instance.id,
            issuer=new.issuer,
            audience=new.audience or self._instances.public_address(instance),
            subject=new.subject,
            claims=dict(new.claims),
            permissions=tuple(one.permission for one in new.permissions),
            lifetime_s=new.lifetime_s,
            created_at=self._stack.clock.now(),
            created_by=by,
        )
        key = keys.workload(instance.id, workload.id)
        self._stack.table.put({**key._asdict(), **workload.model_dump(mode="json")}, absent())
        return workload

    def get(self, instance: Instance, workload_id: str) -> Workload:
        """Raises NotFound."""
        item = self._stack.table.get(keys.workload(instance.id, workload_id)) if is_id(workload_id) else None
        if item is None:
            raise _missing()
        return Workload.model_validate(item)

    def list(self, instance: Instance, asked: WorkloadQuery) -> Page[Workload]:
        """There are few: all of them are looked at for a page."""
        told, column = asked.search.casefold(), asked.sort.removeprefix("-")
        page = rows_sorted(
            self._stack.table,
            keys.workload(instance.id, ""),
            lambda row: any(told in row[name].casefold() for name in ("issuer", "audience", "subject")),
            # Ids say when they were made.
            lambda row: row["id"] if column == "created_at" else row[column],
            asked.cursor,
            asked.limit,
            descending=asked.sort.startswith("-"),
        )
        return page.map(Workload.model_validate)

    def page(self, instance: Instance, cursor: str | None, limit: int) -> Page[Workload]:
        """The oldest first, one query a page."""
        found: Page[Item] = self._stack.table.query(
            keys.instance_partition(instance.id), prefix=keys.workload(instance.id, "").sk, cursor=cursor, limit=limit
        )
        return found.map(Workload.model_validate)

    def delete(self, instance: Instance, workload_id: str) -> None:
        """No job logs in by it any more; credentials given before end by themselves. Raises NotFound."""
        if not is_id(workload_id):
            raise _missing()
        try:
            self._stack.table.delete(keys.workload(instance.id, workload_id), present())
        except ConditionFailed as gone:
            raise _missing() from gone

    def log_in(self, instance: Instance, token: str) -> NewSecret:
        """A credential for the holder of the token, by the oldest rule that is about it.

        Raises Unauthenticated, alike for whatever is wrong; InstanceFrozen; Unavailable where the issuer is silent.
        """
        rule = self._rule(instance, oidc.read_unproven(token))
        claims = oidc.verify(self._stack, token, issuer=rule.issuer, audience=rule.audience)
        self._instances.require_running(instance)
        oidc.use_once(self._stack, claims)
        ends_at = self._stack.clock.now() + timedelta(seconds=rule.lifetime_s)
        name, subject = WORKLOAD_PREFIX + new_id(), str(claims["sub"])
        return Robots(self._stack).add(instance, name, None, rule.permissions, ends_at, subject, workload=rule.id)

    def _rule(self, instance: Instance, claims: oidc.Claims | dict[str, Any]) -> Workload:
        for rule in self._every(instance):
            if rule.admits(claims):
                return rule
        raise oidc.refused()

    def _every(self, instance: Instance) -> Iterator[Workload]:
        return every(lambda cursor: self.page(instance, cursor, _AT_ONCE))


def _missing() -> NotFound:
    return NotFound("there is no such workload identity")
