"""The door of the room: webhooks of an instance, made, changed and deleted (X5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from chalicelib.edge.consume import encode
from chalicelib.identity.service import Identity
from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import Conflict, NotFound, Unavailable
from chalicelib.kernel.ids import is_id, new_id
from chalicelib.kernel.messages import DeliverWebhook
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.paging import Page, every
from chalicelib.ports import keys
from chalicelib.ports.passes import rows_sorted
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item

from . import signing, store
from .deliveries import Deliveries, message_for
from .models import Webhook
from .shapes import NewWebhook, WebhookEdit, WebhookQuery

__all__ = ["Deliveries", "Webhooks"]

# All are read with every event.
MOST_WEBHOOKS: Final = 20
# How often an edit is tried again after somebody else's.
_ATTEMPTS: Final = 8
# What it failed before does not count any more.
_HEALTHY: Final = {"failures": 0, "failing_since": None, "held_until": "", "reason": ""}


class Webhooks:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table

    def create(self, instance: Instance, new: NewWebhook, by: str) -> Webhook:
        """Raises Invalid naming `url`, Conflict where the instance has enough of them."""
        self._vet(new.url)
        # Several at once may pass by one or two: it is the hundreds that matter.
        if sum(1 for _ in self._every(instance)) >= MOST_WEBHOOKS:
            raise Conflict(f"an instance has at most {MOST_WEBHOOKS} webhooks; delete one first")
        webhook = Webhook(
            id=new_id(),
            instance_id=instance.id,
            created_at=self._stack.clock.now(),
            created_by=by,
            **{**new.model_dump(), "events": new.each_event},
        )
        made = store.creation(webhook)
        self._table.put(made.item, made.when)
        return webhook

    def get(self, instance: Instance, webhook_id: str) -> Webhook:
        """Raises NotFound."""
        found = store.load(self._table, instance.id, webhook_id) if is_id(webhook_id) else None
        if found is None or found.deleted:
            raise NotFound("there is no such webhook")
        return found

    def page(self, instance: Instance, cursor: str | None, limit: int) -> Page[Webhook]:
        """In the order they were made, one query a page."""
        page = store.page(self._table, instance.id, cursor, limit)
        return Page(tuple(webhook for webhook in page.items if not webhook.deleted), page.next)

    def list(self, instance: Instance, asked: WebhookQuery) -> Page[Webhook]:
        """There are few: all of them are looked at for a page."""
        told, column = asked.search.casefold(), asked.sort.removeprefix("-")

        def wanted(row: Item) -> bool:
            holds = told in row["url"].casefold() or told in row.get("description", "").casefold()
            return holds and not row.get("deleted", False)

        page = rows_sorted(
            self._table,
            keys.webhook(instance.id, ""),
            wanted,
            # Ids say when they were made.
            lambda row: row["id"] if column == "created_at" else row[column],
            asked.cursor,
            asked.limit,
            descending=asked.sort.startswith("-"),
        )
        return page.map(Webhook.model_validate)

    def change(self, instance: Instance, webhook_id: str, edit: WebhookEdit) -> Webhook:
        """What is switched on, or goes elsewhere, begins anew: earlier failures do not count, what waits is sent.

        Raises NotFound, Invalid naming `url`.
        """
        if edit.url is not None:
            self._vet(edit.url)
        fields: dict[str, Any] = edit.model_dump(exclude_none=True)
        if edit.events is not None:
            fields["events"] = edit.each_event
        if edit.enabled or edit.url is not None:
            fields |= _HEALTHY
        changed = self._change(instance, webhook_id, fields)
        if changed.enabled and (edit.enabled or edit.url is not None):
            store.wake(self._table, changed, self._stack.clock.now())
            self._send(changed)
        return changed

    def delete(self, instance: Instance, webhook_id: str) -> None:
        """It is told nothing more; its log goes in the background. Raises NotFound."""
        gone = self._change(instance, webhook_id, {"deleted": True, "enabled": False})
        store.wake(self._table, gone, self._stack.clock.now())
        self._send(gone)

    def rotate(self, instance: Instance, webhook_id: str) -> Webhook:
        """A new secret; the one before signs too for a day. Raises NotFound."""
        for _ in range(_ATTEMPTS):
            seen = self.get(instance, webhook_id)
            until = to_text(self._stack.clock.now() + signing.OVERLAP)
            fields = {"secret_version": seen.secret_version + 1, "previous_until": until}
            changed = store.change(self._table, seen, fields)
            if changed is not None:
                return changed
        raise _busy()

    def secret(self, webhook: Webhook) -> str:
        """The present one, to be shown when it is made."""
        return signing.secret_of(Identity(self._stack).keyring, webhook)

    def _vet(self, url: str) -> None:
        from chalicelib.ports.outbound import outbound  # with an HTTP client, which nobody else here needs

        outbound(self._stack.settings).vet_url(url)

    def _change(self, instance: Instance, webhook_id: str, fields: dict[str, Any]) -> Webhook:
        for _ in range(_ATTEMPTS):
            changed = store.change(self._table, self.get(instance, webhook_id), fields)
            if changed is not None:
                return changed
        raise _busy()

    def _every(self, instance: Instance) -> Iterator[Webhook]:
        return every(lambda cursor: self.page(instance, cursor, 100))

    def _send(self, webhook: Webhook) -> None:
        self._stack.queues.send(DeliverWebhook.queue, [encode(message_for(webhook))])


def _busy() -> Unavailable:
    return Unavailable("the webhook is being edited by others; try again")
