"""The door of the room: prices, balances, orders (I4, I5), and the steps of instances' lives (`lives.py`, I5, I6).

An order is one transaction:   balance − amount, if it covers it  ·  the order's row  ·  the instance, as it was seen

So nobody pays for what did not happen, nothing happens unpaid, and of two orders at once the second sees the first's
result and is priced by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Final

from chalicelib.instances.models import Edition, Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel import money
from chalicelib.kernel.errors import BalanceTooLow, Conflict, Invalid, Unavailable
from chalicelib.kernel.ids import id_at
from chalicelib.kernel.paging import Page
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, TransactionCancelled, Write

from . import rules, store
from .models import (
    MOST_PACKS,
    NAMESPACES_PER_PACK,
    REPOSITORIES_PER_PACK,
    Line,
    NewTopUp,
    Order,
    OrderKind,
    OrderQuery,
    PaymentQuery,
    TopUp,
)

_ATTEMPTS: Final = 8
# Paying further ahead than this is a slip of the hand; it also keeps dates within what calendars can say.
_FURTHEST: Final = timedelta(days=3660)

# What an order changes: the fields of the instance, and what is bought.
Purchase = tuple[dict[str, Any], tuple[Line, ...]]


class Billing:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._instances = Instances(stack)

    def quote(self, edition: Edition, months: int, namespace_packs: int, repository_packs: int) -> tuple[Line, ...]:
        """What an instance of so many months costs, line by line."""
        return rules.lines(self._stack.settings, edition, Fraction(months), namespace_packs, repository_packs)

    def balance_cents(self, account_id: str) -> int:
        return store.balance_cents(self._table, account_id)

    def top_up(self, account_id: str, new: NewTopUp, by: str) -> TopUp:
        """Raises Invalid naming `amount` if the balance would be beyond all use."""
        now = self._stack.clock.now()
        amount = money.cents(new.amount)
        received = TopUp(id=id_at(now), account_id=account_id, amount_cents=amount, created_at=now, created_by=by)
        try:
            self._table.transact(store.top_up(received))
        except TransactionCancelled as cancelled:
            raise Invalid("amount", "the balance would be larger than this service keeps") from cancelled
        except OutcomeUnknown:
            if not store.has_top_up(self._table, received):
                raise
        return received

    def orders(self, account_id: str, query: OrderQuery) -> Page[Order]:
        """Raises Invalid naming `cursor`."""
        return store.orders(self._table, account_id, query)

    def top_ups(self, account_id: str, query: PaymentQuery) -> Page[TopUp]:
        """Raises Invalid naming `cursor`."""
        return store.top_ups(self._table, account_id, query)

    def period_end(self, begins: datetime, months: int) -> datetime:
        """When a first period of so many months ends."""
        return rules.months_later(begins, months, begins.day)

    def opening_order(self, instance: Instance, months: int, by: str) -> Order:
        """The order of an instance that is to be opened. Nothing is written."""
        bought = self.quote(instance.edition, months, instance.namespace_packs, instance.repository_packs)
        return self._order("opening", instance, bought, by)

    def carry_out(self, order: Order, change: Sequence[Write]) -> None:
        """Order and change in one transaction, in which the change begins at position 2.

        Raises TransactionCancelled if the change does not fit any more, BalanceTooLow if it does and money lacks.
        """
        try:
            self._table.transact([*store.payment(order), *change])
        except TransactionCancelled as cancelled:
            if set(cancelled.failed) != {0}:
                raise
            raise BalanceTooLow(order.amount_cents, self.balance_cents(order.account_id)) from cancelled
        except OutcomeUnknown:
            if not store.has_order(self._table, order):
                raise

    def renew(self, instance: Instance, months: int, by: str) -> tuple[Instance, Order]:
        """Prolongs from its expiry, or, frozen for no longer than its data is kept, from now: then it runs again.

        Raises Conflict, BalanceTooLow, Invalid naming `months`.
        """
        return self._buy("renewal", instance, lambda seen: self._renewal(seen, months), by)

    def renewal_quote(self, instance: Instance, months: int) -> tuple[tuple[Line, ...], datetime | None]:
        """What `renew` would cost, and when the instance would then expire. Raises Conflict, Invalid."""
        fields, lines = self._renewal(instance, months)
        return lines, fields["expires_at"]

    def add_packs(
        self, instance: Instance, namespace_packs: int, repository_packs: int, by: str
    ) -> tuple[Instance, Order]:
        """Paid for the rest of the period that is under way; its quotas rise at once.

        Raises Invalid naming the field, BalanceTooLow.
        """
        return self._buy("quota-packs", instance, lambda seen: self._packs(seen, namespace_packs, repository_packs), by)

    def packs_quote(
        self, instance: Instance, namespace_packs: int, repository_packs: int
    ) -> tuple[tuple[Line, ...], datetime | None]:
        """What `add_packs` would cost, and when the instance expires. Raises Invalid naming the field."""
        return self._packs(instance, namespace_packs, repository_packs)[1], instance.expires_at

    def renew_by_itself(self, instance: Instance, by: str) -> Instance:
        """Auto-renewal's month. Raises BalanceTooLow, and Conflict if somebody has renewed it meanwhile."""

        def bought(seen: Instance) -> Purchase:
            if not self._instances.renews_now(seen):
                raise Conflict(f"instance {seen.name} is not to be renewed any more")
            fields, lines = self._prolonged(seen, 1)
            return {**fields, "untold": "renew"}, lines

        renewed, _ = self._buy("renewal", instance, bought, by, automatic=True)
        return renewed

    def _renewal(self, seen: Instance, months: int) -> Purchase:
        if self._instances.state(seen) == "releasing" or not self._still_kept(seen):
            raise Conflict("its data is kept for 15 days after expiry; they are over, and it is being deleted")
        return self._prolonged(seen, months)

    def _packs(self, seen: Instance, namespace_packs: int, repository_packs: int) -> Purchase:
        now = self._stack.clock.now()
        rest = rules.months_between(now, seen.expires_at) if seen.expires_at else Fraction(0)
        held = {
            "namespace_packs": seen.namespace_packs + namespace_packs,
            "repository_packs": seen.repository_packs + repository_packs,
        }
        if too_many := [(name, f"an instance has {MOST_PACKS} at most") for name in held if held[name] > MOST_PACKS]:
            raise Invalid.many(too_many)
        fields = {
            **held,
            "namespace_limit": seen.namespace_limit + NAMESPACES_PER_PACK * namespace_packs,
            "repository_limit": seen.repository_limit + REPOSITORIES_PER_PACK * repository_packs,
        }
        settings = self._stack.settings
        return fields, rules.lines(settings, seen.edition, rest, namespace_packs, repository_packs, instances=0)

    def _still_kept(self, instance: Instance) -> bool:
        return instance.kept_until is None or self._stack.clock.now() < instance.kept_until

    def _prolonged(self, seen: Instance, months: int) -> Purchase:
        if seen.expires_at is None:
            raise Conflict(f"instance {seen.name} never expires, so there is nothing to renew")
        now = self._stack.clock.now()
        runs = self._instances.state(seen) == "running"
        begins = seen.expires_at if runs else now
        day = (seen.period_day or begins.day) if runs else now.day
        until = rules.months_later(begins, months, day)
        if until - now > _FURTHEST:
            raise Invalid("months", "an instance is paid for at most ten years ahead")
        fields = {
            "state": "running",
            "expires_at": until,
            "period_day": day,
            "stood_still_s": self._instances.stood_still_s(seen),
            "unpaid_since": None,
        }
        packs = seen.namespace_packs, seen.repository_packs
        return fields, rules.lines(self._stack.settings, seen.edition, Fraction(months), *packs)

    def _buy(
        self,
        kind: OrderKind,
        instance: Instance,
        bought: Callable[[Instance], Purchase],
        by: str,
        *,
        automatic: bool = False,
    ) -> tuple[Instance, Order]:
        """Prices the order by the instance as it is, and again if it moved meanwhile."""
        seen = instance
        for _ in range(_ATTEMPTS):
            fields, lines = bought(seen)
            wanted, change = self._instances.changing(seen, **fields)
            order = self._order(kind, wanted, lines, by, automatic=automatic)
            try:
                self.carry_out(order, [change])
            except TransactionCancelled:
                seen = self._instances.load(instance.id)
                continue
            return wanted, order
        raise Unavailable("the instance is being changed by others; try again")

    def _order(
        self, kind: OrderKind, instance: Instance, lines: tuple[Line, ...], by: str, *, automatic: bool = False
    ) -> Order:
        now = self._stack.clock.now()
        return Order(
            id=id_at(now),
            account_id=instance.account_id,
            kind=kind,
            instance_id=instance.id,
            instance_name=instance.name,
            lines=lines,
            amount_cents=rules.total_cents(lines),
            automatic=automatic,
            created_at=now,
            created_by=by,
            expires_at=instance.expires_at,
        )
