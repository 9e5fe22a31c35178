"""Rows that are their own event: what was deleted, and tasks that ended, told to whom it concerns.

    row with `keys.untold` ─► deliveries, each made once ─► the attributes go, if they still are what they were

A crash before the end tells it again, which makes no second delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aws_lambda_powertools import Logger

from chalicelib.kernel.messages import DeliverWebhook
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.paging import every
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Item, Key, Update, equals
from chalicelib.registry.models import BinEntry
from chalicelib.tasks.models import Task

from . import rules, store
from .deliveries import Deliveries
from .events import Event, of_entry, of_task
from .models import Webhook

# Rows of one message.
BATCH: Final = 100

logger = Logger(service="notifications", child=True)


class Announcing:
    """webhooks of an instance are read once for each of these."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._deliveries = Deliveries(stack)
        self._webhooks: dict[str, Sequence[Webhook]] = {}

    def tell(self, event: Event) -> list[DeliverWebhook]:
        """Everybody whom the event concerns will be told; answers the messages that hurry it on."""
        concerned = [webhook for webhook in self._of(event.instance_id) if rules.wants(webhook, event)]
        return [self._deliveries.note(webhook, event) for webhook in concerned]

    def untold(self, partition: str, limit: int) -> Sequence[Item]:
        """The first rows of a shard that were not told of."""
        until = f"{to_text(self._stack.clock.now())}~"
        return self._table.query(partition, index="i2", until=until, limit=limit).items

    def announce(self, partition: str) -> tuple[list[DeliverWebhook], bool]:
        """A batch of one shard: the messages that follow, and whether there may be more. A row that fails holds up no
        other."""
        rows = self.untold(partition, BATCH)
        messages: dict[str, DeliverWebhook] = {}
        failed = 0
        for row in rows:
            try:
                messages.update((message.webhook_id, message) for message in self._announce(row))
            except Exception:
                failed += 1
                logger.exception("failed to announce", pk=row["pk"], sk=row["sk"])
        return list(messages.values()), len(rows) == BATCH and failed < BATCH

    def _announce(self, hint: Item) -> list[DeliverWebhook]:
        key = Key(hint["pk"], hint["sk"])
        row = self._table.get(key)
        if row is None or "i2sk" not in row:
            return []
        told = [message for event in _events(row) for message in self.tell(event)]
        wanted = Update(key, remove=("i2pk", "i2sk"), when=equals("i2sk", row["i2sk"]))
        try:
            self._table.update(wanted, relaxed=True)
        except ConditionFailed:
            return told  # It went, or is another event by now.
        return told

    def _of(self, instance_id: str) -> Sequence[Webhook]:
        if instance_id not in self._webhooks:
            found = every(lambda cursor: store.page(self._table, instance_id, cursor, 100))
            self._webhooks[instance_id] = tuple(found)
        return self._webhooks[instance_id]


def _events(row: Item) -> Iterable[Event]:
    """What a row tells. Parts of a namespace's entry tell nothing beside it."""
    if row["pk"].startswith(keys.bin_partition("")):
        entry = BinEntry.model_validate(row)
        return [] if entry.parent else [of_entry(entry)]
    if row["pk"].startswith(keys.tasks_partition("")):
        task = Task.model_validate(row)
        return [of_task(task)] if task.finished else []
    return []
