"""Scans as the API shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from chalicelib.advisories.models import Severity, Status
from chalicelib.edge.answers import SearchQuery
from chalicelib.findings.models import ScanRecord, ScanSummary
from chalicelib.kernel.modelling import MADE

Sort = Literal["severity", "-severity", "id", "-id", "package", "-package"]


class View(BaseModel):
    model_config = MADE


class VulnerabilityQuery(SearchQuery):
    """search: only findings whose id or package holds this text; severity: only such; fixable: whether some version has
    it no more; silenced: whether a document silences it; platform: of an index, only what this one has.

    sort: the gravest first unless something else is said
    format: `json` is this list; `sarif` and `csv` are files with all that the filters let through, in which `limit` and
    `cursor` mean nothing
    """

    severity: Severity | None = None
    fixable: bool | None = None
    silenced: bool | None = None
    platform: Annotated[str, Field(max_length=100)] = ""
    sort: Sort = "-severity"
    format: Literal["json", "sarif", "csv"] = "json"


class SilencedView(View):
    """expires_at: null for ever; document: id of the one that says so."""

    reason: str
    expires_at: str | None
    document: str


class FindingLayer(View):
    """The layer that brought the package. command: what made it, "" where the image does not say."""

    digest: str
    diff_id: str
    command: str


class VulnerabilityView(View):
    """
    package      installed by `type`: the system's family, or `python-pkg`, `jar` …
    fixed        versions that have it no more, "" for none yet
    score        of CVSS, null where nobody rated it; severity_source: who says how grave it is
    link         the first place to read on; title, link and score are empty where the database knows none
    path         of the file that names the package, "" for packages of the system
    platforms    of an index, those that have it
    """

    id: str
    vendor_ids: tuple[str, ...]
    package: str
    type: str
    purl: str
    installed: str
    fixed: str
    status: Status
    severity: Severity
    severity_source: str
    score: float | None
    title: str
    link: str
    source: str
    path: str
    layer: FindingLayer
    silenced: SilencedView | None
    platforms: tuple[str, ...]


class PlatformScan(View):
    """One image of an index."""

    platform: str
    digest: str
    scan: ScanSummary


class ScanView(ScanSummary):
    """
    digest     of what the tag points to
    system     what runs in it, `debian 12.5`; packages: how many were found
    database   digest of the database it was judged by
    task_id    of the scan under way, "" for none
    platforms  of an index, its images, each with its own result
    """

    digest: str = ""
    system: str = ""
    packages: int = 0
    database: str = ""
    task_id: str = ""
    platforms: tuple[PlatformScan, ...] = ()


def scan_view(record: ScanRecord, platforms: tuple[PlatformScan, ...]) -> ScanView:
    more = {"digest": record.digest, "system": record.system, "packages": record.packages}
    more |= {"database": record.database, "task_id": record.task}
    return ScanView(**{**dict(ScanSummary.of(record)), **more, "platforms": platforms})
