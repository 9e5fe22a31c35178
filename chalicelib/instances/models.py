"""What an instance is: one customer's registry, with an address, a bucket and quotas of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, cast

from pydantic import BaseModel

from chalicelib.edge.answers import SearchQuery, Sorting
from chalicelib.edge.apicall import Call
from chalicelib.kernel.modelling import GIVEN, KEPT, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import InstanceName

Edition = Literal["personal", "enterprise"]
State = Literal["running", "frozen", "releasing"]
LifeStep = Literal["renewal", "expiry", "deletion"]

# Quotas of the editions (I1). A storage limit of None is no limit.
NAMESPACE_LIMITS: Final[dict[Edition, int]] = {"personal": 3, "enterprise": 15}
REPOSITORY_LIMITS: Final[dict[Edition, int]] = {"personal": 100, "enterprise": 1000}
STORAGE_LIMITS_BYTES: Final[dict[Edition, int | None]] = {"personal": 10 * 1024**3, "enterprise": None}

# How long a frozen instance keeps its data (user guide §2.3).
KEPT_FROZEN: Final = timedelta(days=15)


class Instance(BaseModel):
    """
    bucket          where every byte of it lies
    state           as it was last written; `rules.state_at` says what it is now
    expires_at      None for one that never expires
    period_day      day of the month its periods end on; in a shorter one on its last; 0: as in `expires_at`
    stood_still_s   seconds it was frozen in its life, for which the clocks of its recycle bin stood still
    unpaid_since    when auto-renewal first found the balance too low, None while it does not
    asked_at        when its deletion was last asked for, None while it is not being deleted
    untold          a step of its life that was taken and is not in the audit yet, "" for none
    version         raised by every change; the fence of the next
    """

    model_config = KEPT

    id: str
    account_id: str
    name: InstanceName
    edition: Edition
    bucket: str
    region: str
    state: State = "running"
    expires_at: Moment | None = None
    created_at: Moment
    namespace_limit: int
    repository_limit: int
    storage_limit_bytes: int | None
    auto_renew: bool = False
    namespace_packs: int = 0
    repository_packs: int = 0
    period_day: int = 0
    stood_still_s: int = 0
    unpaid_since: Moment | None = None
    asked_at: Moment | None = None
    untold: str = ""
    version: int = 1
    schema_version: int = 1

    @property
    def label(self) -> str:
        """First part of its host name.

        The end of the id is its random part: its beginning is the time, which two accounts may share.
        """
        return f"{self.name}-{self.id[-8:].lower()}"

    @property
    def kept_until(self) -> datetime | None:
        """When its data is deleted if it is not renewed; None for one that never expires."""
        return None if self.expires_at is None else self.expires_at + KEPT_FROZEN


class Counts(NamedTuple):
    """Names in use, stored bytes, and the bytes of what lies in the recycle bin, entry by entry."""

    namespaces: int
    repositories: int
    stored_bytes: int
    binned_bytes: int


class Use(BaseModel):
    """How much of one quota is used up. limit: None where there is none."""

    model_config = MADE

    used: int
    limit: int | None


class StorageUse(Use):
    """binned: bytes of what lies in the recycle bin; content that several entries share is counted with each."""

    binned: int


class Usage(BaseModel):
    model_config = MADE

    namespaces: Use
    repositories: Use
    storage: StorageUse


class InstanceView(BaseModel):
    """
    state             `frozen` from the moment of expiry; `releasing` while its data is being deleted
    expires_at        null for one that never expires
    unpaid_since      when auto-renewal first found the balance too low; null while it does not
    public_address    what users put before `/namespace/repository`
    internal_address  the same past the allowlist; null where the operator opened no internal listener
    """

    model_config = MADE

    id: str
    name: str
    edition: Edition
    state: State
    bucket: str
    region: str
    expires_at: Moment | None
    auto_renew: bool
    namespace_packs: int
    repository_packs: int
    unpaid_since: Moment | None
    public_address: str
    internal_address: str | None
    created_at: Moment


class InstanceQuery(SearchQuery):
    """
    sort    by name, up or down
    usage   tells of each how much of its quotas is used up
    """

    sort: Sorting = "name"
    usage: bool = False


class ListedInstance(InstanceView):
    """usage: null unless it was asked for."""

    usage: Usage | None = None


class InstanceEdit(BaseModel):
    """What may be changed later; the name is fixed. auto_renew: prolong by a month before each expiry."""

    model_config = GIVEN

    auto_renew: bool | None = None


def instance_of(call: Call) -> Instance:
    """What {instance} in an endpoint's path means; the gate has checked that the caller may reach it."""
    return cast(Instance, call.instance)
