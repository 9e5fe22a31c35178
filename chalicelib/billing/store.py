"""Items of balances, orders and top-ups."""

from __future__ import annotations

from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.table import Item, Put, Table, Update, Write, absent, any_of, at_least, at_most

from .models import Order, TopUp

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


def orders(table: Table, account_id: str, cursor: str | None, limit: int) -> Page[Order]:
    """Newest first."""
    return _newest(table, account_id, keys.order(account_id, "").sk, cursor, limit).map(Order.model_validate)


def top_ups(table: Table, account_id: str, cursor: str | None, limit: int) -> Page[TopUp]:
    """Newest first."""
    return _newest(table, account_id, keys.top_up(account_id, "").sk, cursor, limit).map(TopUp.model_validate)


def _newest(table: Table, account_id: str, prefix: str, cursor: str | None, limit: int) -> Page[Item]:
    partition = keys.account_partition(account_id)
    return table.query(partition, prefix=prefix, cursor=cursor, limit=limit, descending=True)
