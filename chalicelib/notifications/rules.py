"""Pure decisions about webhooks: who is told, when it is tried again, when a webhook has failed too often."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, Final
from zlib import crc32

from chalicelib.kernel.ids import id_at
from chalicelib.kernel.moment import to_text

from .events import Event
from .models import TEST, Attempt, Delivery, Webhook

# What passes before each further try: with the first one ten in three days, as the Standard Webhooks advise.
RETRY_AFTER: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
# A fifth around each, so that what failed together does not come back together.
JITTER: Final = 0.2
# Failures in a row after which all of a webhook's deliveries wait, and one is tried now and then.
HOLD_AFTER: Final = 3
HOLD: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30))
# Failing for so long without one success switches a webhook off.
GIVE_UP_AFTER: Final = timedelta(days=5)
GONE: Final = 410
_ATTEMPTS_KEPT: Final = 20


def wants(webhook: Webhook, event: Event) -> bool:
    """Filters ask about what an event names; what it does not name stands in no filter's way. Only pushes and
    deletions of images have tags: one by digest alone is told where all tags are."""
    if not webhook.enabled or webhook.deleted or event.type not in webhook.events:
        return False
    of_image = event.type.startswith("image.")
    any_tag = webhook.tags.everything or any(webhook.tags.matches(tag) for tag in event.tags)
    return (
        (not event.namespace or webhook.namespaces.matches(event.namespace))
        and (not event.repository or webhook.repositories.matches(event.repository))
        and (not of_image or any_tag)
    )


def delivery_id(event: Event, webhook_id: str) -> str:
    """The same for the same event and webhook, and sorted by the time of the event."""
    tail = hashlib.sha256(f"{webhook_id}/{event.id}".encode()).hexdigest()[:16].upper()
    return id_at(event.time, tail)


def after_attempt(delivery: Delivery, attempt: Attempt) -> Delivery:
    """What a try made of it."""
    tries = delivery.tries + 1
    final = attempt.status == GONE or delivery.type == TEST or tries > len(RETRY_AFTER)
    due, state = attempt.time, "delivered" if attempt.succeeded else "failed"
    if not attempt.succeeded and not final:
        due, state = attempt.time + _spread(RETRY_AFTER[tries - 1], f"{delivery.id}{tries}"), "pending"
    return delivery.model_copy(
        update={
            "state": state,
            "due": due,
            "urgent": False,
            "tries": tries,
            "attempts": (*delivery.attempts, attempt)[-_ATTEMPTS_KEPT:],
            "version": delivery.version + 1,
        }
    )


def health_after(webhook: Webhook, attempt: Attempt) -> dict[str, Any]:
    """The fields of a webhook that a try changes: none where it went well, as before."""
    if attempt.succeeded:
        return {"failures": 0, "failing_since": None, "held_until": ""} if webhook.failures else {}
    failures, since = webhook.failures + 1, webhook.failing_since or attempt.time
    changed: dict[str, Any] = {"failures": failures, "failing_since": to_text(since)}
    if failures >= HOLD_AFTER:
        wait = HOLD[min(failures - HOLD_AFTER, len(HOLD) - 1)]
        changed["held_until"] = to_text(attempt.time + _spread(wait, f"{webhook.id}{failures}"))
    reason = ""
    if attempt.status == GONE:
        reason = f"its server answered {GONE}: it wants no more"
    elif attempt.time - since >= GIVE_UP_AFTER:
        reason = f"nothing could be delivered since {to_text(since)}"
    return {**changed, "enabled": False, "reason": reason} if reason else changed


def is_held(webhook: Webhook, moment: datetime) -> bool:
    return webhook.held_until > to_text(moment)


def _spread(wait: timedelta, key: str) -> timedelta:
    share = crc32(key.encode()) / 0xFFFFFFFF
    return wait * (1 - JITTER / 2 + JITTER * share)
