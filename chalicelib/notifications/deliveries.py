"""Deliveries: one row for each event and webhook, made once however often the event is found, and the log of them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from chalicelib.edge.consume import encode
from chalicelib.kernel.errors import Conflict, Invalid, NotFound
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.messages import DeliverWebhook
from chalicelib.kernel.origin import request_id
from chalicelib.kernel.paging import Page
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item

from . import rules, store
from .events import Event, of_test
from .models import Delivery, Webhook
from .shapes import DeliveryQuery

# How often a delivery that is tried meanwhile is looked at again.
_ATTEMPTS: Final = 5


class Deliveries:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table

    def note(self, webhook: Webhook, event: Event) -> DeliverWebhook:
        """The event will be told: the row first, then what wakes the webhook, then the message answered here.

        May reach the disk later, in order: whoever found the event repeats it until all of it is written.
        """
        now = self._stack.clock.now()
        store.add(self._table, _delivery(webhook, event, now), relaxed=True)
        store.wake(self._table, webhook, now, relaxed=True)
        return message_for(webhook)

    def test(self, webhook: Webhook, by: str) -> Delivery:
        """One event that only this webhook is told, at once and once. Raises Conflict if it is switched off."""
        _require_enabled(webhook)
        now = self._stack.clock.now()
        made = _delivery(webhook, of_test(webhook, new_id(), now, by), now, urgent=True)
        store.add(self._table, made)
        self._wake(webhook)
        return made

    def redeliver(self, webhook: Webhook, delivery_id: str) -> Delivery:
        """It is tried again, now and then later as a new one is, under its own id.

        Raises NotFound, Conflict if the webhook is switched off.
        """
        _require_enabled(webhook)
        for _ in range(_ATTEMPTS):
            seen = self.get(webhook, delivery_id)
            change = {
                "state": "pending",
                "due": self._stack.clock.now(),
                "urgent": True,
                "tries": 0,
                "origin": request_id(),
            }
            wanted = seen.model_copy(update={**change, "version": seen.version + 1})
            if store.replace(self._table, seen, wanted):
                self._wake(webhook)
                return wanted
        raise Conflict("it is being delivered; look at it and try again")

    def get(self, webhook: Webhook, delivery_id: str) -> Delivery:
        """Raises NotFound."""
        found = store.load_delivery(self._table, webhook.id, delivery_id) if is_id(delivery_id) else None
        if found is None:
            raise NotFound("there is no such delivery")
        return found

    def page(self, webhook: Webhook, asked: DeliveryQuery) -> Page[Delivery]:
        """A page may be short though more follow, where few of many are asked for."""
        if asked.cursor is not None and not is_id(asked.cursor):
            raise Invalid("cursor", "is not one of this list's")
        now_s = int(self._stack.clock.now().timestamp())

        def wanted(row: Item) -> bool:
            of_these = asked.state in (None, row["state"]) and asked.type in ("", row["type"])
            return of_these and asked.search in row["subject"] and row["expires"] > now_s

        return store.delivery_page(
            self._table, webhook.id, wanted, asked.cursor, asked.limit, descending=asked.sort == "-created_at"
        )

    def _wake(self, webhook: Webhook) -> None:
        store.wake(self._table, webhook, self._stack.clock.now())
        self._stack.queues.send(DeliverWebhook.queue, [encode(message_for(webhook))])


def message_for(webhook: Webhook) -> DeliverWebhook:
    return DeliverWebhook(instance_id=webhook.instance_id, webhook_id=webhook.id)


def _delivery(webhook: Webhook, event: Event, now: datetime, *, urgent: bool = False) -> Delivery:
    return Delivery(
        id=rules.delivery_id(event, webhook.id),
        webhook_id=webhook.id,
        instance_id=webhook.instance_id,
        event_id=event.id,
        type=event.type,
        subject=event.subject,
        body=event.body(),
        due=now,
        urgent=urgent,
        created_at=now,
        origin=request_id(),
    )


def _require_enabled(webhook: Webhook) -> None:
    if not webhook.enabled:
        raise Conflict("the webhook is switched off; switch it on first")
