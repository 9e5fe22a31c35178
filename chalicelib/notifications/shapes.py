"""What the API takes and shows of webhooks."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from chalicelib.edge.answers import ListQuery
from chalicelib.kernel.modelling import GIVEN, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import LONGEST_URL
from chalicelib.kernel.patterns import Pattern

from .models import Attempt, Delivery, DeliveryState, EventType, Webhook

Url = Annotated[str, Field(min_length=8, max_length=LONGEST_URL, examples=["https://hooks.example.com/images"])]


def _at_least_one(events: tuple[EventType, ...]) -> tuple[EventType, ...]:
    if not events:
        raise ValueError("needs at least one event")
    return events


# Not `min_length`: pydantic would count a bad entry as none, and name the field beside the entry.
Events = Annotated[
    tuple[EventType, ...],
    Field(max_length=20),
    Field(json_schema_extra={"minItems": 1}),
    AfterValidator(_at_least_one),
]
Description = Annotated[str, Field(max_length=200)]
Everything: Final = Pattern("**")
AnyJson = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})]


class NewWebhook(BaseModel):
    """
    url            where events are sent: an https address
    events         which ones
    namespaces, repositories, tags   patterns: only events about such; repositories: names inside their namespace
    """

    model_config = GIVEN

    url: Url
    events: Events
    namespaces: Pattern = Everything
    repositories: Pattern = Everything
    tags: Pattern = Everything
    description: Description = ""
    enabled: bool = True

    @property
    def each_event(self) -> tuple[EventType, ...]:
        return tuple(dict.fromkeys(self.events))


class WebhookEdit(BaseModel):
    """What is left out, or null, stays as it is."""

    model_config = GIVEN

    url: Url | None = None
    events: Events | None = None
    namespaces: Pattern | None = None
    repositories: Pattern | None = None
    tags: Pattern | None = None
    description: Description | None = None
    enabled: bool | None = None

    @property
    def each_event(self) -> tuple[EventType, ...]:
        return tuple(dict.fromkeys(self.events or ()))


class WebhookView(BaseModel):
    """
    state          `failing`: the last attempts failed, since `failing_since`; `disabled`: nothing is sent
    reason         why the service switched it off; empty where people did, and while it is on
    previous_secret_until   until when the secret before the present one signs too
    """

    model_config = MADE

    id: str
    url: str
    events: tuple[EventType, ...]
    namespaces: str
    repositories: str
    tags: str
    description: str
    enabled: bool
    state: Literal["working", "failing", "disabled"]
    reason: str
    failing_since: Moment | None
    previous_secret_until: Moment | None
    created_at: Moment
    created_by: str

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookView:
        failing: Literal["working", "failing"] = "failing" if webhook.failures else "working"
        return cls(
            **webhook.model_dump(include=set(cls.model_fields)),
            state=failing if webhook.enabled else "disabled",
            previous_secret_until=webhook.previous_until,
        )


class WebhookSecretView(WebhookView):
    """secret: with which what comes from here is verified; shown this once."""

    secret: str

    @classmethod
    def bearing(cls, webhook: Webhook, secret: str) -> WebhookSecretView:
        return cls(**dict(WebhookView.of(webhook)), secret=secret)


class WebhookQuery(ListQuery):
    """search: only webhooks whose address or description holds this text; sort: by what, `-` for the newest or last
    first."""

    search: Annotated[str, Field(max_length=255)] = ""
    sort: Literal["created_at", "-created_at", "url", "-url"] = "created_at"


class DeliveryQuery(ListQuery):
    """state: only such deliveries; type: only events of this one; search: only those whose subject holds this text;
    sort: `created_at` for the oldest event first."""

    state: DeliveryState | None = None
    type: Annotated[str, Field(max_length=64)] = ""
    search: Annotated[str, Field(max_length=255)] = ""
    sort: Literal["created_at", "-created_at"] = "-created_at"


class DeliveryView(BaseModel):
    """
    id                 also the header `webhook-id`, the same with every attempt
    event_id           the event's own, the same for every webhook
    tries              attempts since it was made, or asked for again
    next_attempt_at    null where none follows; later, where the webhook fails again and again
    last_status        of the last attempt; null before one, and where no answer came: then `last_error` says why
    """

    model_config = MADE

    id: str
    event_id: str
    type: str
    subject: str
    state: DeliveryState
    tries: int
    created_at: Moment
    next_attempt_at: Moment | None
    last_attempt_at: Moment | None
    last_status: int | None
    last_error: str

    @classmethod
    def fields_of(cls, delivery: Delivery) -> dict[str, Any]:
        last = delivery.attempts[-1] if delivery.attempts else None
        own = ("id", "event_id", "type", "subject", "state", "tries", "created_at")
        return {
            **{name: getattr(delivery, name) for name in own},
            "next_attempt_at": delivery.due if delivery.state == "pending" else None,
            "last_attempt_at": last.time if last else None,
            "last_status": last.status if last else None,
            "last_error": last.error if last else "",
        }

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryView:
        return cls(**cls.fields_of(delivery))


class DeliveryDetail(DeliveryView):
    """headers: of the last attempt, or the next if there was none; the signature is not kept. event: the body.
    attempts: the last twenty."""

    headers: dict[str, str]
    event: AnyJson
    attempts: tuple[Attempt, ...]

    @classmethod
    def detailed(cls, delivery: Delivery, headers: dict[str, str]) -> DeliveryDetail:
        return cls(
            **cls.fields_of(delivery),
            headers=headers,
            event=json.loads(delivery.body),
            attempts=delivery.attempts,
        )
