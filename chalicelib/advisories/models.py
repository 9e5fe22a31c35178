"""Findings: what a database says of what is installed. Names follow Trivy's report (schema version 2).

A finding refers to its vulnerability by id; title, score and references are joined when somebody reads it.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel

from chalicelib.kernel.modelling import KEPT, MADE
from chalicelib.packages.models import LayerRef

Severity = Literal["critical", "high", "medium", "low", "unknown"]
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "medium", "low", "unknown")
# In the order of the numbers that databases have for them.
Status = Literal[
    "unknown",
    "not_affected",
    "affected",
    "fixed",
    "under_investigation",
    "will_not_fix",
    "fix_deferred",
    "end_of_life",
]


class Finding(BaseModel):
    """One vulnerability of one package of an image.

    id           `CVE-…`, `GHSA-…` or the vendor's own; vendor_ids: advisories of the vendor about it, `DSA-…`
    type         the package's (`packages.models.Package`); target: what Trivy calls the result it stands in
    installed    version as its manager writes it, `1:2.3-4`; fixed: versions that have it no more, "" for none yet
    severity_source   who rated it: `debian`, `redhat`, `ghsa`, `nvd` …; "" where nobody did
    source       id of the data source that the advisory came from
    path         of the file that names the package; "" for packages of the system
    """

    model_config = KEPT

    id: str
    vendor_ids: tuple[str, ...] = ()
    type: str
    package: str
    purl: str
    installed: str
    fixed: str = ""
    status: Status = "unknown"
    severity: Severity = "unknown"
    severity_source: str = ""
    source: str = ""
    path: str = ""
    layer: LayerRef


class Examination(BaseModel):
    """What came of matching an image's packages.

    supported     there are advisories for its system; False also where the system is unknown. What its languages'
                  packages have stands in `findings` all the same
    examined      how many packages advisories were looked up for: 0 means that nothing can be said
    end_of_life   its makers look after this release no more: new vulnerabilities of it do not become known
    """

    model_config = MADE

    findings: tuple[Finding, ...]
    supported: bool
    examined: int
    end_of_life: bool = False


class Rating(BaseModel):
    """score: of CVSS, 0.0–10.0; version: of CVSS, `3.1`; by: who gave it."""

    model_config = KEPT

    by: str
    version: str
    vector: str
    score: float


class Description(BaseModel):
    """What the database tells people of one vulnerability. url: the first place to read on."""

    model_config = KEPT

    id: str
    title: str = ""
    description: str = ""
    url: str = ""
    score: float | None = None
    ratings: tuple[Rating, ...] = ()
    weaknesses: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    published_at: str = ""
    modified_at: str = ""


class DatabaseMetadata(BaseModel):
    """Of `metadata.json`: schema version of the format (2), and when it was built; RFC 3339."""

    model_config = KEPT

    version: int
    updated_at: str
    next_update: str = ""
    demonstration: bool = False
