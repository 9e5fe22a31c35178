"""What an allowlist is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from chalicelib.kernel.moment import Moment


class Entry(BaseModel):
    """cidr: in its shortest spelling, IPv4 or IPv6."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    cidr: str
    remark: str = ""
    created_at: Moment


class Allowlist(BaseModel):
    """All entries of an instance. None: everybody with credentials gets in. version: 0 before the first was added."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    entries: tuple[Entry, ...] = ()
    version: int = 0
    schema_version: int = 1
