"""What the database says of one package and one vulnerability.

msgspec and not pydantic: a scan decodes thousands of them, and a comparison of two databases hundreds of thousands.
Field names in the database are those of Trivy's; numbers for severity and status index the tuples below.
"""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec

from .bolt import DatabaseCorrupt
from .models import Severity, Status

# By number, as the database has them.
RATED: Final[tuple[Severity, ...]] = ("unknown", "low", "medium", "high", "critical")
STATUSES: Final[tuple[Status, ...]] = get_args(Status)


class DataSource(msgspec.Struct, frozen=True, kw_only=True):
    """Who publishes the advisories of a platform. base_id: whose severities they go by, where that is somebody else."""

    id: str = msgspec.field(default="", name="ID")
    name: str = msgspec.field(default="", name="Name")
    url: str = msgspec.field(default="", name="URL")
    base_id: str = msgspec.field(default="", name="BaseID")

    @property
    def rater(self) -> str:
        """Id under which its severities stand."""
        return self.base_id or self.id


NO_SOURCE: Final = DataSource()


class Concerned(msgspec.Struct, frozen=True, kw_only=True):
    """Of a Red Hat entry: a vulnerability and its severity there. id is empty where the entry lies under that id."""

    id: str = msgspec.field(default="", name="ID")
    severity: int = msgspec.field(default=0, name="Severity")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One of an advisory that differs by architecture, or by product (`products`: numbers in `Red Hat CPE`)."""

    fixed: str = msgspec.field(default="", name="FixedVersion")
    architectures: tuple[str, ...] | None = msgspec.field(default=None, name="Arches")
    status: int = msgspec.field(default=0, name="Status")
    concerned: tuple[Concerned, ...] | None = msgspec.field(default=None, name="Cves")
    products: tuple[int, ...] | None = msgspec.field(default=None, name="Affected")


class Advisory(msgspec.Struct, frozen=True, kw_only=True):
    """
    fixed        of systems: the first version without it, "" for none
    introduced   of systems: the first version with it, "" for all
    vulnerable, patched, unaffected   of languages: ranges; each is one of several ways to be so
    severity, status   numbers (`RATED`, `STATUSES`); 0: says nothing of its own
    vendor_ids   the vendor's advisories about it
    source       of the platform that it was read from
    """

    fixed: str = msgspec.field(default="", name="FixedVersion")
    introduced: str = msgspec.field(default="", name="AffectedVersion")
    vulnerable: tuple[str, ...] | None = msgspec.field(default=None, name="VulnerableVersions")
    patched: tuple[str, ...] | None = msgspec.field(default=None, name="PatchedVersions")
    unaffected: tuple[str, ...] | None = msgspec.field(default=None, name="UnaffectedVersions")
    severity: int = msgspec.field(default=0, name="Severity")
    status: int = msgspec.field(default=0, name="Status")
    vendor_ids: tuple[str, ...] | None = msgspec.field(default=None, name="VendorIDs")
    entries: tuple[Entry, ...] | None = msgspec.field(default=None, name="Entries")
    source: DataSource = msgspec.field(default=NO_SOURCE, name="-source")


# Whatever damaged JSON makes the decoder raise.
UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
_decode_advisory: Final = msgspec.json.Decoder(Advisory | None).decode
_decode_source: Final = msgspec.json.Decoder(DataSource | None).decode


def read_advisory(content: bytes, source: DataSource, where: str) -> Advisory:
    """`null` and `{}` mean affected, and no fix."""
    try:
        advisory = _decode_advisory(content) or Advisory()
    except UNREADABLE as error:
        raise DatabaseCorrupt(f"the advisory {where} cannot be read: {error}") from error
    return msgspec.structs.replace(advisory, source=source)


def read_source(content: bytes | None, where: str) -> DataSource:
    try:
        return (_decode_source(content) if content else None) or NO_SOURCE
    except UNREADABLE as error:
        raise DatabaseCorrupt(f"the data source of {where} cannot be read: {error}") from error


def severity_of(number: Any) -> Severity:
    return RATED[number] if isinstance(number, int) and 0 <= number < len(RATED) else "unknown"


def status_of(number: int) -> Status:
    return STATUSES[number] if 0 <= number < len(STATUSES) else "unknown"
