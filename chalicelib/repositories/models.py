"""What a repository is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import RepositoryName
from chalicelib.namespaces.models import Visibility

Kind = Literal["image", "chart"]


class RepositoryEdit(BaseModel):
    """What may be changed later. None leaves it as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str | None = Field(default=None, max_length=1000)
    visibility: Visibility | None = None
    acceleration: bool | None = None


class Repository(BaseModel):
    """name: the full one, unique in its instance. Content hangs on the id, so that a new repository of an old name
    holds nothing of the old one. kind: of what was pushed into it first; "" while it is empty."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    instance_id: str
    namespace_id: str
    name: RepositoryName
    summary: str = ""
    visibility: Visibility
    acceleration: bool = False
    kind: Kind | Literal[""] = ""
    created_at: Moment
    created_by: str
    schema_version: int = 1
