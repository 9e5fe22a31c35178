"""What a namespace's pull policy is (X6), and what it says of an image."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, StringConstraints

from chalicelib.findings.models import ScanStateName
from chalicelib.kernel.modelling import GIVEN, KEPT, MADE
from chalicelib.kernel.moment import Moment

Threshold = Literal["critical", "high", "medium", "low"]
Unscanned = Literal["allow", "block"]
# One item holds them all, of the 400 KB that an item may have: 200 of at most 1.3 KB.
MOST_EXCEPTIONS: Final = 200
# `CVE-2024-3094`, `GHSA-…`, `RHSA-2024:1234`, `TEMP-0000000-1A2B3C`: whatever a database calls a vulnerability.
VulnerabilityId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{2,63}$")]
WrittenReason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]


class Exemption(BaseModel):
    """A vulnerability that blocks nothing. expires_at: from then on it blocks again; null: for ever."""

    model_config = GIVEN

    id: VulnerabilityId
    reason: WrittenReason
    expires_at: Moment | None = None


class PolicyOrder(BaseModel):
    """
    severity    images with findings at or over it are not pulled; null: all are
    unscanned   what becomes of images that nobody has examined whole; `block` only beside a severity
    exceptions  all there are to be from now on, by id
    version     of the policy that was seen, 0 where there never was one; null: whatever stands is replaced
    """

    model_config = GIVEN

    severity: Threshold | None
    unscanned: Unscanned = "allow"
    exceptions: Annotated[tuple[Exemption, ...], Field(max_length=MOST_EXCEPTIONS)] = ()
    version: Annotated[int, Field(ge=0)] | None = None


class KeptExemption(BaseModel):
    model_config = KEPT

    id: str
    reason: str
    expires_at: Moment | None = None


class Policy(BaseModel):
    """version: 0 where there never was one; raised by every change."""

    model_config = KEPT

    namespace_id: str
    severity: Threshold | None = None
    unscanned: Unscanned = "allow"
    exceptions: tuple[KeptExemption, ...] = ()
    version: int = 0
    updated_at: Moment | None = None
    updated_by: str = ""
    schema_version: int = 1


class ExemptionView(KeptExemption):
    """expired: it blocks again."""

    model_config = MADE

    expired: bool


class PolicyView(BaseModel):
    """A namespace's pull policy. version: give it back to change what you saw, and no other."""

    model_config = MADE

    severity: Threshold | None
    unscanned: Unscanned
    exceptions: tuple[ExemptionView, ...]
    version: int
    updated_at: Moment | None
    updated_by: str


class Verdict(BaseModel):
    """What a policy says of an image.

    cause     why it may not be pulled: `findings` at or over the severity, or `unscanned`; "" where it may be
    severity  of the policy; worst: of the findings, "" where there are none
    ids       of findings that block, the worst first, at most 20; count: of all of them
    scan      state of the image's scan; reason: why that came to no end, or only to a part
    """

    model_config = MADE

    digest: str
    cause: Literal["", "findings", "unscanned"] = ""
    severity: str = ""
    worst: str = ""
    ids: tuple[str, ...] = ()
    count: int = 0
    scan: ScanStateName = "none"
    reason: str = ""

    @property
    def allowed(self) -> bool:
        return not self.cause
