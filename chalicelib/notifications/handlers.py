"""Messages and the schedule of notifications."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from chalicelib.edge.metrics import gauge
from chalicelib.kernel.messages import AnnounceUntold, DeliverWebhook, ImagePushed, Message
from chalicelib.kernel.moment import from_text
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack

from . import store
from .announcing import Announcing, Ending
from .courier import Courier
from .events import of_push

# Webhooks that one run of the schedule wakes, of each shard.
MOST_DUE = 100


def tell_of_push(stack: Stack, message: ImagePushed) -> list[Message]:
    """Durable when it returns; what repeats the push until it is settled makes no second delivery."""
    return list(Announcing(stack).tell(of_push(message)))


def announce(stack: Stack) -> list[Message]:
    """A command for each shard that has events nobody was told of, and each webhook that has something due."""
    announcing = Announcing(stack)
    oldest = {shard: rows[0]["i2sk"] for shard in keys.untold_partitions() if (rows := announcing.untold(shard, 1))}
    waited = stack.clock.now() - from_text(min(oldest.values()).partition("#")[0]) if oldest else timedelta()
    gauge("untold_lag_seconds", waited.total_seconds())
    due = store.due_webhooks(stack.table, stack.clock.now(), MOST_DUE)
    return [
        *(AnnounceUntold(partition=partition) for partition in oldest),
        *(DeliverWebhook(instance_id=instance, webhook_id=webhook) for instance, webhook in due),
    ]


def announce_untold(stack: Stack, message: AnnounceUntold, endings: Mapping[str, Ending]) -> list[Message]:
    """Tells of a batch, and asks for the next while there is more. endings: kind of task → who is told of its end."""
    told, more = Announcing(stack, endings).announce(message.partition)
    return [*told, *([AnnounceUntold(partition=message.partition, caused_by=message.id)] if more else [])]


def deliver_webhook(stack: Stack, message: DeliverWebhook) -> list[Message]:
    return list(Courier(stack).deliver(message.instance_id, message.webhook_id))
