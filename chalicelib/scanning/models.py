"""What a scan is about, where it goes on, and what it leaves behind.

layers ─► surveys ─► ImageInventory ─┐
                      database ──────┴─► Report (an object) ─► ScanRecord, ScanDetail (rows; `findings`)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, Field

from chalicelib.advisories.models import Finding
from chalicelib.findings.models import Reason
from chalicelib.kernel.modelling import KEPT
from chalicelib.kernel.moment import from_text
from chalicelib.packages.models import ImageInventory, LayerRef

# Raised when reports say something that they did not say before.
REPORT_VERSION: Final = 1


class Kept(BaseModel):
    model_config = KEPT


class Silenced(Kept):
    """Why a finding does not count. expires_at: "" for ever; document: id of the one that says so."""

    reason: str
    expires_at: str = ""
    document: str = ""


class ReportedFinding(Finding):
    silenced: Silenced | None = None

    def counts(self, now: datetime) -> bool:
        """Whether nothing silences it, or not any more."""
        until = self.silenced.expires_at if self.silenced else ""
        return self.silenced is None or (bool(until) and from_text(until) <= now)


class ReportLayer(Kept):
    """command: what made the layer, "" where the image does not say."""

    ref: LayerRef
    size: int
    command: str = ""


class Report(Kept):
    """All that a scan found out about one image for one platform.

    database      digest of the database it was judged by, "" where there was none; then there are no findings
    supported, examined, end_of_life   see `advisories.models.Examination`
    demonstration that database knows a few vulnerabilities, for a first look
    findings      those that are silenced too
    """

    digest: str
    platform: str
    engine: str
    database: str
    database_updated_at: str
    demonstration: bool = False
    scanned_at: str
    supported: bool
    examined: int
    end_of_life: bool
    layers: tuple[ReportLayer, ...]
    inventory: ImageInventory
    findings: tuple[ReportedFinding, ...]
    schema_version: int = REPORT_VERSION


class Failure(Kept):
    """Why an image could not be scanned: a word, and the same for people."""

    reason: Reason
    message: str


class Target(Kept):
    """A tag, or a digest by itself, whose image is scanned."""

    repository_id: str
    repository: str
    tag: str
    digest: str

    @property
    def item_id(self) -> str:
        return f"{self.repository_id}#{self.tag or self.digest}"


class Walk(Kept):
    """Where in a namespace: repositories before this one, in name order, are done with, and of it tags up to `tag`."""

    repository_id: str = ""
    repository: str = ""
    tag: str = ""


class Work(Kept):
    """Where the next step of a scan goes on.

    what       `image`: one target, whose progress is told in layers; `namespace`: all tags of it, told in tags
    counted    how much there is, is known; until then `walk` counts
    target     under way
    image      digest of the image of it that is under way: an index has several; layer: so many of its layers are read
    failed     digest → why, of images that this task gave up; they are not tried again before it is retried
    seen       tags counted so far
    bad        targets that failed so far
    again      a retry: what was told before is told anew
    """

    what: Literal["image", "namespace"]
    namespace_id: str = ""
    counted: bool = False
    walk: Walk = Walk()
    target: Target | None = None
    image: str = ""
    layer: int = 0
    seen: int = 0
    failed: Mapping[str, Failure] = Field(default_factory=dict)
    bad: int = 0
    again: bool = False
