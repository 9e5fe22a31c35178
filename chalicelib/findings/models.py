"""What is known of an image's vulnerabilities, by its digest: the same in every repository of the instance.

ScanRecord   the small row that lists read: state and counts
ScanDetail   ids and package names, for pull policies and for scanning again; the report itself is an object
Found        one finding in few words, by which an instance is searched; all of an image lie in a row of their own
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel

from chalicelib.advisories.models import SEVERITIES, Severity
from chalicelib.kernel.modelling import KEPT, MADE

ScanStateName = Literal["none", "queued", "running", "succeeded", "partial", "unsupported", "failed"]
Reason = Literal[
    "",
    "unsupported_system",
    "nothing_recognised",
    "unreadable_files",
    "no_database",
    "demonstration_database",
    "foreign_layer",
    "missing_layer",
    "corrupt",
    "truncated",
    "unsupported_compression",
    "too_large",
    "too_many_entries",
    "too_deep",
    "too_long",
    "engine_failed",
    "interrupted",
]
# Whatever else a record says, its counts mean something in these.
EXAMINED: Final = frozenset({"succeeded", "partial"})


class ScanRecord(BaseModel):
    """
    state        `succeeded`: everything was examined. `partial`: what could be was, and `reason` says what could not.
                 `unsupported`: nothing of it could be, so there are no counts. `failed`: it broke off
    reason       one word; message: the same for people, with the file or limit
    engine       `builtin` or `trivy` with its version; database: digest of the database, database_updated_at: its age
    critical …   findings by severity, without those that are silenced; silenced: those, fixable: of the counted ones
                 those with a fixed version
    silenced_until   the first moment at which a silenced one counts again; "" for never
    end_of_life  its system is looked after no more
    report       key of the report's object, "" for none
    task         id of the task that looks after it, while it is queued or running
    parents      indexes that were scanned with it; children: of an index, the images that were
    repositories ids of some repositories that hold it; the record goes when none of them does any more
    version      raised by every change; the fence
    """

    model_config = KEPT

    instance_id: str
    digest: str
    state: ScanStateName = "none"
    reason: Reason = ""
    message: str = ""
    engine: str = ""
    database: str = ""
    database_updated_at: str = ""
    scanned_at: str = ""
    system: str = ""
    end_of_life: bool = False
    packages: int = 0
    critical: int = 0
    high: int = 0
    medium: int = 0
    low: int = 0
    unknown: int = 0
    silenced: int = 0
    silenced_until: str = ""
    fixable: int = 0
    report: str = ""
    task: str = ""
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    version: int = 0
    schema_version: int = 1

    @property
    def examined(self) -> bool:
        return self.state in EXAMINED

    def count(self, severity: Severity) -> int:
        return int(getattr(self, severity))


class Found(NamedTuple):
    """silenced_until: None where it counts, "" where it is silenced for ever."""

    id: str
    vendor_ids: tuple[str, ...]
    package: str
    type: str
    installed: str
    fixed: str
    severity: Severity
    silenced_until: str | None


class ScanDetail(BaseModel):
    """
    ids       severity → ids of findings that count; silenced: id → (severity, until when, "" for ever)
    names     hashes of the names its packages are looked up by (`advisories.fingerprints`), 4 bytes each, sorted
    found     all findings of an image, the gravest first; empty for an index, whose images have them, and where the
              detail was read: they have a row of their own
    """

    model_config = KEPT

    ids: Mapping[Severity, tuple[str, ...]]
    silenced: Mapping[str, tuple[Severity, str]] = {}
    names: bytes = b""
    found: tuple[Found, ...] = ()
    schema_version: int = 1


class ScanSummary(BaseModel):
    """A scan as lists show it. Counts are null where nothing was examined, which is not the same as 0.

    state, reason   see `ScanRecord`; message: the reason for people
    """

    model_config = MADE

    state: ScanStateName = "none"
    reason: Reason = ""
    message: str = ""
    critical: int | None = None
    high: int | None = None
    medium: int | None = None
    low: int | None = None
    unknown: int | None = None
    silenced: int | None = None
    fixable: int | None = None
    end_of_life: bool = False
    engine: str = ""
    scanned_at: str = ""
    database_updated_at: str = ""

    @classmethod
    def of(cls, record: ScanRecord | None) -> ScanSummary:
        if record is None:
            return cls()
        counted = (*SEVERITIES, "silenced", "fixable") if record.examined else ()
        told = ("state", "reason", "message", "end_of_life", "engine", "scanned_at", "database_updated_at")
        return cls(**{name: getattr(record, name) for name in (*told, *counted)})
