"""What an instance is: one customer's registry, with an address, a bucket and quotas of its own."""

from __future__ import annotations

from typing import Final, Literal, cast

from pydantic import BaseModel, ConfigDict

from chalicelib.edge.apicall import Call
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import InstanceName

Edition = Literal["personal", "enterprise"]
State = Literal["running", "frozen", "releasing"]

# Quotas of the editions (I1). A storage limit of None is no limit.
NAMESPACE_LIMITS: Final[dict[Edition, int]] = {"personal": 3, "enterprise": 15}
REPOSITORY_LIMITS: Final[dict[Edition, int]] = {"personal": 100, "enterprise": 1000}
STORAGE_LIMITS_BYTES: Final[dict[Edition, int | None]] = {"personal": 10 * 1024**3, "enterprise": None}


class Instance(BaseModel):
    """bucket: where every byte of it lies; expires_at: None for one that never expires."""

    model_config = ConfigDict(frozen=True, extra="ignore")

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
    schema_version: int = 1

    @property
    def label(self) -> str:
        """First part of its host name.

        The end of the id is its random part: its beginning is the time, which two accounts may share.
        """
        return f"{self.name}-{self.id[-8:].lower()}"


class Use(BaseModel):
    """How much of one quota is used up. limit: None where there is none."""

    model_config = ConfigDict(frozen=True)

    used: int
    limit: int | None


class Usage(BaseModel):
    model_config = ConfigDict(frozen=True)

    namespaces: Use
    repositories: Use
    storage: Use


def instance_of(call: Call) -> Instance:
    """What {instance} in an endpoint's path means; the gate has checked that the caller may reach it."""
    return cast(Instance, call.instance)
