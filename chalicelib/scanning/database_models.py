"""What is kept of vulnerability databases: which there are, which is used, when a newer one was looked for."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from chalicelib.kernel.modelling import KEPT, MADE

DatabaseState = Literal["none", "current", "stale", "demonstration"]


class DatabaseRecord(BaseModel):
    """A database whose objects are whole.

    digest         of `trivy.db`; attempt: the import that wrote its objects. Nothing is written under them twice
    version        of the format; updated_at, next_update: when it was built, when the next is due to be; RFC 3339
    rows           (platform, package) pairs that it has advisories of; size: bytes of `trivy.db`
    source         where it came from, for people; source_digest: of the artifact's manifest, "" where it was none
    """

    model_config = KEPT

    digest: str
    attempt: str
    version: int
    updated_at: str
    next_update: str = ""
    demonstration: bool = False
    rows: int
    size: int
    source: str
    source_digest: str = ""
    imported_at: str
    schema_version: int = 1


class DatabasePointer(BaseModel):
    """The database that is used since `switched_at`. version: raised by every switch; its fence."""

    model_config = KEPT

    record: DatabaseRecord
    version: int
    switched_at: str
    schema_version: int = 1


class DatabaseCheck(BaseModel):
    """When a newer database was looked for last, and what came of it.

    source_digest  the artifact that was seen there; it is not fetched again, whatever became of it
    refused        why that artifact is not used, "" where it is
    folder_stamp   which files of the operator's folder were looked at last
    error          why nothing came of the last look, "" where all went well
    claimed_until  somebody is looking
    """

    model_config = KEPT

    checked_at: str = ""
    source: str = ""
    source_digest: str = ""
    refused: str = ""
    folder_stamp: str = ""
    error: str = ""
    claimed_until: str = ""
    schema_version: int = 1


class VulnerabilityDatabase(BaseModel):
    """The database that images are examined with.

    state        `none`: no image can be examined. `stale`: built more than 36 hours ago, so newer vulnerabilities are
                 missing. `demonstration`: a few known ones, for a first look; it says nothing about real images
    version      of the database's format
    digest       tells one database from another; every report names it
    updated_at   when it was built; age_seconds: how long ago
    source       where it came from; imported_at: when it came
    last_check   when a newer one was looked for; last_error: what went wrong then
    """

    model_config = MADE

    state: DatabaseState
    version: int | None = None
    digest: str | None = None
    updated_at: str | None = None
    next_update: str | None = None
    age_seconds: int | None = None
    imported_at: str | None = None
    source: str | None = None
    last_check: str | None = None
    last_error: str | None = None
