"""What a webhook is, and what becomes of an event that it is told."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel

from chalicelib.kernel.modelling import KEPT
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.patterns import Pattern

EventType = Literal["image.pushed", "image.deleted", "repository.deleted", "namespace.deleted", "task.finished"]
# Made by people who try a webhook; every webhook is told of its own.
TEST: Final = "webhook.test"
DeliveryState = Literal["pending", "delivered", "failed"]


class Webhook(BaseModel):
    """
    namespaces, repositories, tags   only events about such; repositories: the name inside its namespace
    reason         why the service switched it off, "" otherwise
    failures       attempts in a row that failed; failing_since: the first of them
    held_until     it failed too often: nothing is tried before, "" for no such time
    secret_version which of its secrets is the present one; the one before signs too until `previous_until`
    version        raised by every change that people make
    deleted        its deliveries go, and then it goes
    claim          `<until>#<id>` of the worker that makes its deliveries, "" for nobody
    wakes          how often there was something new to deliver; woken_at: the last time
    """

    model_config = KEPT

    id: str
    instance_id: str
    url: str
    events: tuple[EventType, ...]
    namespaces: Pattern = Pattern("**")
    repositories: Pattern = Pattern("**")
    tags: Pattern = Pattern("**")
    description: str = ""
    enabled: bool = True
    reason: str = ""
    failures: int = 0
    failing_since: Moment | None = None
    held_until: str = ""
    secret_version: int = 1
    previous_until: Moment | None = None
    created_at: Moment
    created_by: str
    version: int = 1
    deleted: bool = False
    claim: str = ""
    wakes: int = 0
    woken_at: str = ""
    schema_version: int = 1


class Attempt(BaseModel):
    """One try. status: None where no answer came, and then `error` says why; answer: how it began."""

    model_config = KEPT

    time: Moment
    duration_ms: int
    status: int | None = None
    answer: str = ""
    error: str = ""

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Delivery(BaseModel):
    """One event for one webhook.

    id        also the message's, in the header `webhook-id`
    body      the event, byte for byte as it is sent
    due       when it is tried next; of one that is not pending, when it was tried last
    urgent    somebody waits for it: it goes before others, and to a webhook that is held too
    tries     since it was made, or since somebody asked for it again
    attempts  the last of them
    version   raised by every change; the fence of every try
    origin    id of the request that the event follows from, or that asked for it again; "" for what nobody asked for
    """

    model_config = KEPT

    id: str
    webhook_id: str
    instance_id: str
    event_id: str
    type: str
    subject: str
    body: str
    state: DeliveryState = "pending"
    due: Moment
    urgent: bool = False
    tries: int = 0
    attempts: tuple[Attempt, ...] = ()
    created_at: Moment
    version: int = 1
    origin: str = ""
    schema_version: int = 1
