"""Servers that are told of events (X5): webhooks, and the log of what was sent."""

from __future__ import annotations

import json
from typing import Any, Final, get_args

from starlette.responses import Response

from chalicelib.notifications.api import (
    create_webhook,
    delete_webhook,
    edit_webhook,
    list_webhook_deliveries,
    list_webhooks,
    redeliver_webhook_delivery,
    rotate_webhook_secret,
    show_webhook,
    show_webhook_delivery,
    try_webhook,
)
from chalicelib.notifications.models import EventType

from ..visit import Visit
from . import Pages

pages = Pages()

EVENTS: Final[tuple[str, ...]] = get_args(EventType)
_PATH: Final = "/instances/{instance}/webhooks"
_ONE: Final = _PATH + "/{webhook}"
_DELIVERY: Final = _ONE + "/deliveries/{delivery}"
# Deliveries that a question counts before it says "and more".
_COUNTED: Final = 200


@pages.get(_PATH)
def webhooks(visit: Visit) -> Response:
    asked = visit.asked("cursor", "search", "sort")
    return visit.show("webhooks/list.html", page=visit.ask(list_webhooks, query=asked))


@pages.get(_PATH + "/new")
def new(visit: Visit) -> Response:
    return visit.show("webhooks/new.html", events=EVENTS, chosen=visit.form.texts("events") or EVENTS[:1])


@pages.post(_PATH + "/new", again=new)
def create(visit: Visit) -> Response:
    """The secret is shown this once, so there is no page to go to."""
    made = visit.ask(create_webhook, body=_settings(visit)).body
    return visit.show("webhooks/secret.html", webhook=made, renewed=False)


@pages.get(_ONE)
def webhook(visit: Visit) -> Response:
    page = visit.ask(list_webhook_deliveries, query=visit.asked("cursor", "state", "type", "search", "sort"))
    shown = visit.ask(show_webhook)
    waits = any(delivery.state == "pending" for delivery in page.items) and shown.enabled
    return visit.show("webhooks/show.html", webhook=shown, page=page, waits=waits, events=EVENTS)


@pages.get(_ONE + "/edit")
def edit(visit: Visit) -> Response:
    shown = visit.ask(show_webhook)
    chosen = visit.form.texts("events") if visit.refused else shown.events
    return visit.show("webhooks/edit.html", webhook=shown, events=EVENTS, chosen=chosen)


@pages.post(_ONE + "/edit", again=edit)
def change(visit: Visit) -> Response:
    visit.ask(edit_webhook, body=_settings(visit))
    return visit.go(_home(visit), visit.words("Saved"))


def _settings(visit: Visit) -> dict[str, object]:
    """As the form has them; patterns that were left empty mean everything."""
    form = visit.form
    patterns = {name: form.text(name) or "**" for name in ("namespaces", "repositories", "tags")}
    texts = {"url": form.text("url"), "description": form.text("description")}
    return {**texts, "events": form.texts("events"), **patterns}


@pages.post(_ONE + "/switch", again=webhook)
def switch(visit: Visit) -> Response:
    changed = visit.ask(edit_webhook, body={"enabled": visit.form.yes("enabled")})
    told = visit.words("It is on: events are sent") if changed.enabled else visit.words("It is off: nothing is sent")
    return visit.go(_home(visit), told)


@pages.get(_ONE + "/secret")
def ask_rotate(visit: Visit) -> Response:
    return visit.show("webhooks/rotate.html", webhook=visit.ask(show_webhook))


@pages.post(_ONE + "/secret", again=ask_rotate)
def rotate(visit: Visit) -> Response:
    return visit.show("webhooks/secret.html", webhook=visit.ask(rotate_webhook_secret), renewed=True)


@pages.post(_ONE + "/test", again=webhook)
def send_test(visit: Visit) -> Response:
    made = visit.ask(try_webhook).body
    return visit.go(_home(visit, "deliveries", made.id), visit.words("A test event is on its way"))


@pages.get(_ONE + "/delete")
def ask_delete(visit: Visit) -> Response:
    sent = visit.ask(list_webhook_deliveries, query={"limit": _COUNTED})
    waiting = visit.ask(list_webhook_deliveries, query={"state": "pending", "limit": _COUNTED})
    return visit.show(
        "webhooks/delete.html",
        webhook=visit.ask(show_webhook),
        deliveries=len(sent.items),
        more=sent.next is not None,
        pending=len(waiting.items),
        more_pending=waiting.next is not None,
    )


@pages.post(_ONE + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    visit.ask(delete_webhook)
    return visit.go(visit.within("webhooks"), visit.words("The webhook is deleted"))


@pages.get(_DELIVERY)
def delivery(visit: Visit) -> Response:
    shown = visit.ask(show_webhook_delivery)
    return visit.show(
        "webhooks/delivery.html", webhook=visit.ask(show_webhook), delivery=shown, body=_indented(shown.event)
    )


@pages.post(_DELIVERY + "/redeliver", again=delivery)
def redeliver(visit: Visit) -> Response:
    visit.ask(redeliver_webhook_delivery)
    path = _home(visit, "deliveries", visit.parts["delivery"])
    return visit.go(path, visit.words("It is being sent again"))


def _indented(event: dict[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False, indent=2)


def _home(visit: Visit, *rest: str) -> str:
    return visit.within("webhooks", visit.parts["webhook"], *rest)
