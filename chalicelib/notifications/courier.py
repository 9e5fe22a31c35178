"""Makes a webhook's deliveries: one worker a webhook, a bounded step a message.

    woken ─► row due ─► message ─► claim ─► its pending deliveries, in order ─► release ─► due again, or at rest
                  └─ the schedule finds it ─┘     └─ POST → the try is noted at the version seen → the webhook's health

A webhook whose server is slow or down holds up nobody else's: it has one worker, which leaves it after a while, and
after some failures in a row all its deliveries wait while one is tried now and then. A worker that dies leaves a claim
that runs out; what it had sent and not noted is sent again, under the same id.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from chalicelib.edge.consume import encode
from chalicelib.edge.log import logger
from chalicelib.edge.metrics import count
from chalicelib.identity.service import Identity
from chalicelib.instances.models import State
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Invalid, NotFound, Unavailable
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.messages import DeliverWebhook
from chalicelib.kernel.moment import from_text, to_text
from chalicelib.kernel.origin import following
from chalicelib.ports.outbound import Outbound, outbound
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Delete

from . import rules, signing, store
from .deliveries import message_for
from .models import TEST, Attempt, Delivery, Webhook

# From the look-up of a server's name to its answer.
LONGEST_S: Final = 8.0
# A step takes no further delivery after so many, or so long: whose server takes its time, also if it answers well,
# makes one delivery a turn, and the others have theirs.
MOST_A_STEP: Final = 10
STEP_S: Final = 2.0
# Longer than any step.
CLAIM: Final = timedelta(minutes=1)
# Index 2 has shown by then whatever woke the webhook.
LAG: Final = timedelta(minutes=1)
# A frozen instance tells nothing; it is looked at again after this.
FROZEN_WAIT: Final = timedelta(minutes=10)
# A retry that is due so soon gets a message of its own; the schedule finds later ones.
_SOON: Final = timedelta(minutes=1)
_GONE_AT_ONCE: Final = 50
MEDIA_TYPE: Final = "application/cloudevents+json; charset=utf-8"


class Courier:
    """calls: how servers are reached; the usual way if None. timer: seconds that pass, from wherever."""

    def __init__(
        self, stack: Stack, calls: Outbound | None = None, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._stack = stack
        self._timer = timer
        self._table = stack.table
        # One a process: it reads the authorities' certificates once.
        self._calls = calls or stack.keep("webhook calls", lambda: outbound(stack.settings, LONGEST_S))
        self._keyring = Identity(stack).keyring

    def deliver(self, instance_id: str, webhook_id: str) -> list[DeliverWebhook]:
        """One step; answers the message for the next where there is more to do now."""
        webhook = store.load(self._table, instance_id, webhook_id)
        if webhook is None:
            return []
        state = self._state(instance_id)
        if webhook.deleted or state is None:
            return self._clear(webhook)
        now = self._stack.clock.now()
        if state != "running" or not webhook.enabled:
            store.put_off(self._table, webhook, now + FROZEN_WAIT if state == "frozen" else None)
            return []
        if webhook.claim > to_text(now):
            return []
        claimed = store.claim(self._table, webhook, now + CLAIM, new_id())
        return [] if claimed is None else self._step(claimed)

    def _state(self, instance_id: str) -> State | None:
        """None where the instance is gone."""
        instances = Instances(self._stack)
        try:
            return instances.state(instances.load(instance_id))
        except NotFound:
            return None

    def _step(self, webhook: Webhook) -> list[DeliverWebhook]:
        began, failed = self._timer(), False
        now = self._stack.clock.now()
        held = rules.is_held(webhook, now)
        for delivery_id in store.pending(self._table, webhook.id, now, MOST_A_STEP, urgent_only=held):
            delivery = store.load_delivery(self._table, webhook.id, delivery_id)
            if delivery is None or delivery.state != "pending":
                continue  # The index lags.
            if not webhook.enabled or self._timer() - began > STEP_S:
                break
            if rules.is_held(webhook, self._stack.clock.now()) and not delivery.urgent:
                break
            with following(delivery.origin):
                attempt = self._attempt(webhook, delivery)
                self._tell(delivery, attempt)
                failed = failed or not attempt.succeeded
                if not store.replace(self._table, delivery, rules.after_attempt(delivery, attempt), relaxed=True):
                    continue  # Somebody else has tried it, or asked for it, meanwhile: they say what becomes of it.
                known = self._note_health(webhook, delivery, attempt)
            if known is None:
                break
            webhook = known
        return self._release(webhook, failed)

    def _attempt(self, webhook: Webhook, delivery: Delivery) -> Attempt:
        now, body = self._stack.clock.now(), delivery.body.encode()
        seconds = int(now.timestamp())
        secrets = signing.signing_secrets(self._keyring, webhook, now)
        headers = {
            **headers_of(delivery, seconds),
            "webhook-signature": signing.signature(secrets, delivery.id, seconds, body),
        }
        began, status, answer, error = self._timer(), None, "", ""
        try:
            answered = self._calls.post(webhook.url, body, headers)
        except (Invalid, Unavailable) as refused:
            error = refused.fields[0][1] if refused.fields else refused.message
        else:
            # No text of theirs may hold what a table or a log does not take.
            status, answer = answered.status, answered.beginning.decode(errors="replace").replace("\0", "\ufffd")
        duration_ms = int((self._timer() - began) * 1000)
        return Attempt(time=now, duration_ms=duration_ms, status=status, answer=answer, error=error)

    def _tell(self, delivery: Delivery, attempt: Attempt) -> None:
        count("webhook_deliveries", result="ok" if attempt.succeeded else "failed")
        if self._stack.settings.logs_requests or not attempt.succeeded:
            logger.info(
                "webhook tried",
                delivery_id=delivery.id,
                webhook_id=delivery.webhook_id,
                status=attempt.status,
                error=attempt.error or None,
                duration_ms=attempt.duration_ms,
            )

    def _note_health(self, webhook: Webhook, delivery: Delivery, attempt: Attempt) -> Webhook | None:
        """None where the webhook is not this worker's any more, or people changed it."""
        fields = {} if delivery.type == TEST else rules.health_after(webhook, attempt)
        if not fields:
            return webhook
        known = store.note_health(self._table, webhook, fields)
        if known is not None and not known.enabled:
            logger.warning("webhook switched off", webhook_id=webhook.id, instance_id=webhook.instance_id)
        return known

    def _release(self, webhook: Webhook, failed: bool) -> list[DeliverWebhook]:
        now = self._stack.clock.now()
        due = self._next(webhook, now)
        if not store.release(self._table, webhook, due, if_quiet=True):
            # Something woke it meanwhile, or the claim ran out and is another's.
            ours = store.release(self._table, webhook, now, if_quiet=False)
            return [message_for(webhook)] if ours else []
        if due is None or due > now + _SOON:
            return []
        if due <= now:
            return [message_for(webhook)]
        if failed:
            wait_s = int((due - now).total_seconds()) + 1
            self._stack.queues.send(DeliverWebhook.queue, [encode(message_for(webhook))], delay_s=wait_s)
        return []

    def _next(self, webhook: Webhook, now: datetime) -> datetime | None:
        """When there is something to do again; None where it rests until it is woken."""
        found = store.next_pending(self._table, webhook.id)
        if not webhook.enabled:
            return None
        if found is None:
            seen_by = from_text(webhook.woken_at) + LAG if webhook.woken_at else now
            return seen_by if seen_by > now else None
        due, urgent = found
        held_until = "" if urgent else webhook.held_until
        return from_text(max(due, held_until))

    def _clear(self, webhook: Webhook) -> list[DeliverWebhook]:
        """Some of a deleted webhook's deliveries go, at last the webhook."""
        gone = store.some_deliveries(self._table, webhook.id, _GONE_AT_ONCE)
        if not gone:
            store.forget(self._table, webhook)
            return []
        self._table.transact([Delete(key) for key in gone], relaxed=True)
        return [message_for(webhook)]


def headers_of(delivery: Delivery, seconds: int) -> dict[str, str]:
    """What a delivery is sent under, but for its signature."""
    return {"content-type": MEDIA_TYPE, "webhook-id": delivery.id, "webhook-timestamp": str(seconds)}
