"""Webhooks in the management API (X5)."""

from __future__ import annotations

from chalicelib.edge.answers import Created, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.roles import Right

from .courier import headers_of
from .models import Delivery, Webhook
from .service import Deliveries, Webhooks
from .shapes import (
    DeliveryDetail,
    DeliveryQuery,
    DeliveryView,
    NewWebhook,
    WebhookEdit,
    WebhookQuery,
    WebhookSecretView,
    WebhookView,
)

routes = Routes("notifications")


@routes.get("/instances/{instance}/webhooks", needs=Right.READ_SETTINGS)
def list_webhooks(call: Call, query: WebhookQuery) -> Listing[WebhookView]:
    """List the webhooks of an instance, the oldest first."""
    page = Webhooks(call.stack).list(instance_of(call), query)
    return Listing[WebhookView].of(page.map(WebhookView.of))


@routes.post("/instances/{instance}/webhooks", needs=Right.CHANGE_SETTINGS, changes="webhook.create", secret=True)
def create_webhook(call: Call, body: NewWebhook) -> Created[WebhookSecretView]:
    """Have events of an instance sent to a server of yours.

    They come as CloudEvents 1.0, signed by Standard Webhooks with the secret that is shown this once. Patterns narrow
    what is told: an event is sent if what it names matches. 409 where the instance has twenty webhooks.
    """
    instance, webhooks = instance_of(call), Webhooks(call.stack)
    webhook = webhooks.create(instance, body, call.by)
    call.tell(object=webhook.id)
    shown = WebhookSecretView.bearing(webhook, webhooks.secret(webhook))
    return Created(shown, f"/instances/{instance.id}/webhooks/{webhook.id}")


@routes.get("/instances/{instance}/webhooks/{webhook}", needs=Right.READ_SETTINGS)
def show_webhook(call: Call) -> WebhookView:
    """Show a webhook, without its secret."""
    return WebhookView.of(_webhook(call))


@routes.patch("/instances/{instance}/webhooks/{webhook}", needs=Right.CHANGE_SETTINGS, changes="webhook.edit")
def edit_webhook(call: Call, body: WebhookEdit) -> WebhookView:
    """Change a webhook, or switch it off and on.

    Events that happen while it is off are not sent later. Deliveries that were pending are, once it is on again;
    earlier failures do not count then.
    """
    return WebhookView.of(Webhooks(call.stack).change(instance_of(call), call.parts["webhook"], body))


@routes.delete("/instances/{instance}/webhooks/{webhook}", needs=Right.CHANGE_SETTINGS, changes="webhook.delete")
def delete_webhook(call: Call) -> None:
    """Delete a webhook, with the log of its deliveries. What is being sent this moment may still arrive."""
    Webhooks(call.stack).delete(instance_of(call), call.parts["webhook"])


@routes.post(
    "/instances/{instance}/webhooks/{webhook}/secret",
    needs=Right.CHANGE_SETTINGS,
    changes="webhook.rotate",
    secret=True,
    status=200,
)
def rotate_webhook_secret(call: Call) -> WebhookSecretView:
    """Give a webhook a new secret, which is shown this once.

    For 24 hours everything is signed with both, the new one and the one before, so that your server can change over.
    """
    webhooks = Webhooks(call.stack)
    webhook = webhooks.rotate(instance_of(call), call.parts["webhook"])
    return WebhookSecretView.bearing(webhook, webhooks.secret(webhook))


@routes.post("/instances/{instance}/webhooks/{webhook}/test", needs=Right.CHANGE_SETTINGS, changes="webhook.test")
def try_webhook(call: Call) -> Created[DeliveryView]:
    """Send an event `webhook.test` to a webhook, whatever events it asks for.

    It is sent once, within moments; the delivery says what came of it. 409 for a webhook that is switched off.
    """
    webhook = _webhook(call)
    made = Deliveries(call.stack).test(webhook, call.by)
    where = f"/instances/{webhook.instance_id}/webhooks/{webhook.id}/deliveries/{made.id}"
    return Created(DeliveryView.of(made), where)


@routes.get("/instances/{instance}/webhooks/{webhook}/deliveries", needs=Right.READ_SETTINGS)
def list_webhook_deliveries(call: Call, query: DeliveryQuery) -> Listing[DeliveryView]:
    """List what was sent to a webhook in the last 30 days, and what is to be, newest event first.

    With a filter a page may be short though more follow: go on while `next` is given.
    """
    page = Deliveries(call.stack).page(_webhook(call), query)
    return Listing[DeliveryView].of(page.map(DeliveryView.of))


@routes.get("/instances/{instance}/webhooks/{webhook}/deliveries/{delivery}", needs=Right.READ_SETTINGS)
def show_webhook_delivery(call: Call) -> DeliveryDetail:
    """Show a delivery: what is sent, and each attempt with the beginning of its answer."""
    return _detail(Deliveries(call.stack).get(_webhook(call), call.parts["delivery"]))


@routes.post(
    "/instances/{instance}/webhooks/{webhook}/deliveries/{delivery}/redeliver",
    needs=Right.CHANGE_SETTINGS,
    changes="webhook.redeliver",
    status=200,
)
def redeliver_webhook_delivery(call: Call) -> DeliveryDetail:
    """Send a delivery again, whatever became of it: at once, and then as often as a new one.

    It keeps its `webhook-id`. 409 for a webhook that is switched off.
    """
    call.tell(object=call.parts["delivery"])
    return _detail(Deliveries(call.stack).redeliver(_webhook(call), call.parts["delivery"]))


def _webhook(call: Call) -> Webhook:
    return Webhooks(call.stack).get(instance_of(call), call.parts["webhook"])


def _detail(delivery: Delivery) -> DeliveryDetail:
    sent_at = delivery.attempts[-1].time if delivery.attempts else delivery.due
    return DeliveryDetail.detailed(delivery, headers_of(delivery, int(sent_at.timestamp())))
