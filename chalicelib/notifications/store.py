"""Items of webhooks and of their deliveries.

A webhook's row is due (index 1) while something of it is to be delivered; index 2 has a webhook's pending deliveries
by time, urgent ones first. So one that is down costs one row, however much waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.kernel.moment import to_text
from chalicelib.kernel.paging import Page
from chalicelib.ports import keys
from chalicelib.ports.passes import rows_wanted
from chalicelib.ports.table import ConditionFailed, Item, Key, Put, Table, Update, absent, all_of, equals, present

from .models import Delivery, Webhook

DUE_KIND: Final = "delivery"
# How long the log keeps a delivery.
KEPT: Final = timedelta(days=30)
# Sorts before every time.
URGENT: Final = "!"
_OF_INDEX_1: Final = ("i1pk", "i1sk")


def creation(webhook: Webhook) -> Put:
    return Put({**keys.webhook(webhook.instance_id, webhook.id)._asdict(), **webhook.model_dump()}, absent())


def load(table: Table, instance_id: str, webhook_id: str) -> Webhook | None:
    item = table.get(keys.webhook(instance_id, webhook_id))
    return None if item is None else Webhook.model_validate(item)


def page(table: Table, instance_id: str, cursor: str | None, limit: int) -> Page[Webhook]:
    """In the order they were made; those that are going are among them."""
    return table.query(keys.webhooks_partition(instance_id), cursor=cursor, limit=limit).map(Webhook.model_validate)


def change(table: Table, seen: Webhook, fields: Mapping[str, Any]) -> Webhook | None:
    """What people change. None if it is not as it was seen any more."""
    when = all_of(equals("version", seen.version), equals("deleted", False))
    return _update(table, seen, Update(_key(seen), set=fields, add={"version": 1}, when=when))


def wake(table: Table, webhook: Webhook, moment: datetime, *, relaxed: bool = False) -> None:
    """There is something to deliver. Of a webhook that is gone nothing is."""
    text = to_text(moment)
    due = {**keys.due(DUE_KIND, text, webhook.id), "woken_at": text}
    try:
        table.update(Update(_key(webhook), set=due, add={"wakes": 1}, when=present()), relaxed=relaxed)
    except ConditionFailed:
        return


def put_off(table: Table, webhook: Webhook, moment: datetime | None) -> None:
    """Nobody looks at it before then, or before it is woken; without a moment, before it is woken."""
    due = keys.due(DUE_KIND, to_text(moment), webhook.id) if moment else {}
    when = all_of(equals("wakes", webhook.wakes), equals("claim", webhook.claim))
    _update(table, webhook, Update(_key(webhook), set=due, remove=() if moment else _OF_INDEX_1, when=when))


def claim(table: Table, seen: Webhook, until: datetime, own: str) -> Webhook | None:
    """The webhook, claimed until then; None if somebody else was quicker. own: an id of this claim."""
    text = to_text(until)
    fields = {"claim": f"{text}#{own}", **keys.due(DUE_KIND, text, seen.id)}
    when = all_of(equals("claim", seen.claim), equals("wakes", seen.wakes))
    return _update(table, seen, Update(_key(seen), set=fields, when=when))


def note_health(table: Table, claimed: Webhook, fields: Mapping[str, Any]) -> Webhook | None:
    """What tries found. None if the claim ran out, or people changed the webhook meanwhile."""
    when = all_of(equals("claim", claimed.claim), equals("version", claimed.version))
    return _update(table, claimed, Update(_key(claimed), set=fields, when=when))


def release(table: Table, claimed: Webhook, due: datetime | None, *, if_quiet: bool) -> bool:
    """Ends a claim. if_quiet: only if nothing woke the webhook meanwhile. Whether it was ours to end."""
    ours = equals("claim", claimed.claim)
    when = all_of(ours, equals("wakes", claimed.wakes)) if if_quiet else ours
    fields = {"claim": "", **(keys.due(DUE_KIND, to_text(due), claimed.id) if due else {})}
    wanted = Update(_key(claimed), set=fields, remove=() if due else _OF_INDEX_1, when=when)
    return _update(table, claimed, wanted) is not None


def due_webhooks(table: Table, now: datetime, limit: int) -> list[tuple[str, str]]:
    """(instance, webhook) of those with something to deliver, of each shard the longest overdue."""
    found: list[tuple[str, str]] = []
    for partition in keys.due_partitions(DUE_KIND):
        rows = table.query(partition, index="i1", until=f"{to_text(now)}~", limit=limit).items
        found.extend((row["instance_id"], row["id"]) for row in rows)
    return found


def forget(table: Table, webhook: Webhook) -> None:
    table.delete(_key(webhook), relaxed=True)


# Deliveries


def delivery_item(delivery: Delivery) -> dict[str, Any]:
    waits: dict[str, str] = {}
    if delivery.state == "pending":
        waits = keys.pending(
            delivery.webhook_id, (URGENT if delivery.urgent else "") + to_text(delivery.due), delivery.id
        )
    return {
        **keys.delivery(delivery.webhook_id, delivery.id)._asdict(),
        **delivery.model_dump(),
        "expires": int((delivery.created_at + KEPT).timestamp()),
        **waits,
    }


def add(table: Table, delivery: Delivery, *, relaxed: bool = False) -> None:
    """Nothing happens where it is there already."""
    try:
        table.put(delivery_item(delivery), absent(), relaxed=relaxed)
    except ConditionFailed:
        return


def replace(table: Table, seen: Delivery, wanted: Delivery, *, relaxed: bool = False) -> bool:
    try:
        table.put(delivery_item(wanted), equals("version", seen.version), relaxed=relaxed)
    except ConditionFailed:
        return False
    return True


def load_delivery(table: Table, webhook_id: str, delivery_id: str) -> Delivery | None:
    item = table.get(keys.delivery(webhook_id, delivery_id))
    return None if item is None else Delivery.model_validate(item)


def pending(table: Table, webhook_id: str, now: datetime, limit: int, *, urgent_only: bool) -> list[str]:
    """Ids of deliveries that are due, as index 2 shows them: it may lag."""
    partition = keys.pending_partition(webhook_id)
    if urgent_only:
        rows = table.query(partition, index="i2", prefix=URGENT, limit=limit).items
    else:
        rows = table.query(partition, index="i2", until=f"{to_text(now)}~", limit=limit).items
    return [row["id"] for row in rows]


def next_pending(table: Table, webhook_id: str) -> tuple[str, bool] | None:
    """When the next delivery is due, and whether it is urgent."""
    rows = table.query(keys.pending_partition(webhook_id), index="i2", limit=1).items
    return None if not rows else (rows[0]["due"], rows[0]["urgent"])


def delivery_page(
    table: Table, webhook_id: str, wanted: Callable[[Item], bool], cursor: str | None, limit: int, *, descending: bool
) -> Page[Delivery]:
    """By time. cursor: the id of the last one looked at."""
    found = rows_wanted(table, keys.delivery(webhook_id, ""), wanted, cursor, limit, descending=descending)
    return found.map(Delivery.model_validate)


def some_deliveries(table: Table, webhook_id: str, limit: int) -> list[Key]:
    return [Key(row["pk"], row["sk"]) for row in table.query(keys.deliveries_partition(webhook_id), limit=limit).items]


def _key(webhook: Webhook) -> Key:
    return keys.webhook(webhook.instance_id, webhook.id)


def _update(table: Table, seen: Webhook, wanted: Update) -> Webhook | None:
    try:
        return Webhook.model_validate(table.update(wanted))
    except ConditionFailed:
        return None
