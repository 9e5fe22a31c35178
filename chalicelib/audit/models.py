"""What an audit entry says."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from chalicelib.kernel.moment import Moment


class Entry(BaseModel):
    """
    scope       the instance it belongs to, or the account where it belongs to none
    user        who did it, as they are known there; never a secret
    object      what it was done to, beside namespace and repository: a tag, a digest, an allowlist entry …
    result      `succeeded`, or the code of the refusal
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    scope: str
    time: Moment
    user: str
    object_type: str
    namespace: str = ""
    repository: str = ""
    object: str = ""
    action: str
    result: str = "succeeded"
    source_ip: str = ""
    request_id: str = ""
    schema_version: int = 1
