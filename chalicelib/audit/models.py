"""What is told of a deed, what is kept of it, and what seals it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import BaseModel

from chalicelib.kernel.modelling import KEPT, MADE
from chalicelib.kernel.moment import Moment

# Where refusals of strangers go that belong to no instance and to no account. No account can be named so.
SERVICE: Final = "SERVICE"
SUCCEEDED: Final = "succeeded"


class Deed(BaseModel):
    """
    time        when it was done
    user        who did it, as they are known there; "" for strangers; never a secret
    object      what it was done to, beside namespace and repository: a tag, a digest, an allowlist entry …
    result      `succeeded`, the code of the refusal, or how work in the background ended: `failed`, `cancelled`
    count       how often, for the refusals of strangers that are counted per address and minute
    """

    model_config = KEPT

    time: Moment
    user: str
    object_type: str
    namespace: str = ""
    repository: str = ""
    object: str = ""
    action: str
    result: str = SUCCEEDED
    source_ip: str = ""
    request_id: str = ""
    count: int = 1


class Entry(Deed):
    """
    id      its first half is the moment of filing, which places it in a day and a minute; later than `time` for what
            came late
    scope   the instance it belongs to, or the account where it belongs to none
    """

    id: str
    scope: str
    schema_version: int = 1


class Seal(BaseModel):
    """
    minute     `2026-01-31T08:00`, UTC
    number     of the scope's seals, from 1
    previous   hash of the seal before, "" for the first
    entries    how many the minute has
    hash       SHA-256, in hex, of all that and of the entries (`rules.MinuteHash`)
    """

    model_config = KEPT

    scope: str
    minute: str
    number: int
    previous: str
    entries: int
    hash: str
    sealed_at: Moment
    schema_version: int = 1


@dataclass(frozen=True, slots=True)
class Filter:
    """
    since, until   by the time of the deed, both inclusive; what came more than `rules.LATE` after its deed is found
                   by when it was filed
    keyword        in user, namespace, repository, action or source IP, in any case; "" for all
    """

    object_type: str = ""
    since: datetime | None = None
    until: datetime | None = None
    keyword: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The first minute that is not as it was sealed, and in what way."""

    minute: str
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    minutes, entries   sealed ones that were proved whole, up to the finding
    unsealed           entries whose minute is not sealed yet
    last               hash of the last seal, "" without one: what to note elsewhere, and to ask for the next time
    """

    scope: str
    minutes: int
    entries: int
    unsealed: int
    last: str
    finding: Finding | None = None


class EventView(BaseModel):
    """
    time        when it was done
    user        who did it; empty for refusals of strangers, which are counted
    object      what it was done to, beside namespace and repository
    result      `succeeded`, the code of the refusal, or how work in the background ended: `failed`, `cancelled`
    count       how often, in the minute that begins at `time`; 1 for whatever is recorded singly
    """

    model_config = MADE

    id: str
    time: Moment
    user: str
    object_type: str
    namespace: str
    repository: str
    object: str
    action: str
    result: str
    source_ip: str
    request_id: str
    count: int

    @classmethod
    def of(cls, entry: Entry) -> EventView:
        return cls.model_validate(entry.model_dump(include=set(cls.model_fields)))
