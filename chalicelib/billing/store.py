"""Items of balances, orders and top-ups."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.ids import is_id
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.passes import rows_wanted
from chalicelib.ports.table import Item, Key, Put, Table, Update, Write, absent, any_of, at_least, at_most

from .models import Order, OrderQuery, PaymentQuery, TopUp

# Far below where JSON's numbers lose cents.
_MOST_CENTS = 100_000_000_000


def payment(order: Order) -> list[Write]:
    """The first two writes of an order's transaction. Position 0 fails if the balance does not cover it."""
    key = keys.order(order.account_id, order.id)
    cost = order.amount_cents
    covered = at_least("cents", cost) if cost else None
    return [
        Update(keys.balance(order.account_id), add={"cents": -cost}, when=covered),
        Put({**key._asdict(), **order.model_dump(mode="json")}, absent()),
    ]


def top_up(received: TopUp) -> list[Write]:
    """Position 0 fails if the balance would be more than anybody needs."""
    key = keys.top_up(received.account_id, received.id)
    fits = any_of(absent("cents"), at_most("cents", _MOST_CENTS - received.amount_cents))
    return [
        Update(keys.balance(received.account_id), add={"cents": received.amount_cents}, when=fits),
        Put({**key._asdict(), **received.model_dump(mode="json")}, absent()),
    ]


def balance_cents(table: Table, account_id: str) -> int:
    return int((table.get(keys.balance(account_id)) or {}).get("cents", 0))


def has_order(table: Table, order: Order) -> bool:
    return table.get(keys.order(order.account_id, order.id)) is not None


def has_top_up(table: Table, received: TopUp) -> bool:
    return table.get(keys.top_up(received.account_id, received.id)) is not None


def orders(table: Table, account_id: str, query: OrderQuery) -> Page[Order]:
    def wanted(row: Item) -> bool:
        return query.kind in (None, row["kind"]) and _told(query, row, "id", "instance_name", "created_by")

    return _listed(table, keys.order(account_id, ""), query, wanted).map(Order.model_validate)


def top_ups(table: Table, account_id: str, query: PaymentQuery) -> Page[TopUp]:
    def wanted(row: Item) -> bool:
        return _told(query, row, "id", "created_by")

    return _listed(table, keys.top_up(account_id, ""), query, wanted).map(TopUp.model_validate)


def _told(query: PaymentQuery, row: Item, *names: str) -> bool:
    return any(query.search.lower() in str(row[name]).lower() for name in names)


def _listed(table: Table, first: Key, query: PaymentQuery, wanted: Callable[[Item], bool]) -> Page[Item]:
    """By time, which the ids begin with; what only some are wanted of by a bounded pass."""
    if query.cursor is not None and not is_id(query.cursor):
        raise Invalid("cursor", "is not `next` of a page of this list")
    return rows_wanted(table, first, wanted, query.cursor, query.limit, descending=query.sort == "-created_at")
