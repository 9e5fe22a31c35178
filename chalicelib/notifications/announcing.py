"""Rows that are their own event: what was deleted, and tasks that ended, told to whom it concerns.

    row with `keys.untold` ─► deliveries, each made once ─► the attributes go, if they still are what they were
    row of `early_event`   ─► the same, of the row in it ─► it goes

A crash before the end tells it again, which makes no second delivery. A task that was cancelled in the middle of a step
is told of when the step has said what it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from chalicelib.edge.log import logger
from chalicelib.kernel.messages import DeliverWebhook
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.origin import following
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
# Rows that fail, and are passed over in one shard.
MOST_PASSED: Final = 1000

# What a room above does when a task of its kind has ended. It may be told twice.
Ending = Callable[[Stack, Task], None]


class Announcing:
    """webhooks of an instance are read once for each of these. endings: kind of task → who is told of its end too."""

    def __init__(self, stack: Stack, endings: Mapping[str, Ending] | None = None) -> None:
        self._stack = stack
        self._endings = endings or {}
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
        messages: dict[str, DeliverWebhook] = {}
        for passed in range(0, MOST_PASSED, BATCH):
            rows, left = self.untold(partition, passed + BATCH)[passed:], 0
            for row in rows:
                told = self._told(row)
                left += told is None
                messages.update((message.webhook_id, message) for message in told or ())
            if left < BATCH:
                return list(messages.values()), len(rows) == BATCH
            # All of them have to wait: what is behind them has its turn.
        return list(messages.values()), False

    def _told(self, row: Item) -> list[DeliverWebhook] | None:
        """None: it is looked at again later."""
        try:
            return self._announce(row)
        except Exception:
            logger.exception("failed to announce", pk=row["pk"], sk=row["sk"])
            return None

    def _announce(self, hint: Item) -> list[DeliverWebhook] | None:
        """None: it is looked at again later."""
        key = Key(hint["pk"], hint["sk"])
        row = self._table.get(key)
        if row is None or "i2sk" not in row:
            return []
        record = _record(row.get("row", row))
        if isinstance(record, Task) and record.claimed_until > to_text(self._stack.clock.now()):
            return None
        with following(record.origin if record is not None else ""):
            told = [message for event in _events(record) for message in self.tell(event)]
            if isinstance(record, Task) and record.finished and record.kind in self._endings:
                self._endings[record.kind](self._stack, record)
            self._take_off(key, row)
        return told

    def _take_off(self, key: Key, row: Item) -> None:
        unchanged = equals("i2sk", row["i2sk"])
        try:
            if "row" in row:
                self._table.delete(key, unchanged, relaxed=True)
            else:
                self._table.update(Update(key, remove=("i2pk", "i2sk"), when=unchanged), relaxed=True)
        except ConditionFailed:
            return  # It went, or is another event by now.

    def _of(self, instance_id: str) -> Sequence[Webhook]:
        if instance_id not in self._webhooks:
            found = every(lambda cursor: store.page(self._table, instance_id, cursor, 100))
            self._webhooks[instance_id] = tuple(found)
        return self._webhooks[instance_id]


def _record(row: Item) -> BinEntry | Task | None:
    if row["pk"].startswith(keys.bin_partition("")):
        return BinEntry.model_validate(row)
    return Task.model_validate(row) if row["pk"].startswith(keys.tasks_partition("")) else None


def _events(record: BinEntry | Task | None) -> Iterable[Event]:
    """What a row tells. Parts of a namespace's entry tell nothing beside it, nor does what every push brings about."""
    if isinstance(record, BinEntry):
        return [] if record.parent else [of_entry(record)]
    return [of_task(record)] if record is not None and record.finished and not _by_itself(record) else []


def _by_itself(task: Task) -> bool:
    """Advice on a push is looked up by whoever wants it; the push itself was told of."""
    return task.kind == "advice" and task.trigger == "push"
