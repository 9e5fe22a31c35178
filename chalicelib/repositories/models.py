"""What a repository is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import RepositoryName
from chalicelib.namespaces.models import Visibility


class RepositoryEdit(BaseModel):
    """What may be changed later. None leaves it as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str | None = Field(default=None, max_length=1000)
    visibility: Visibility | None = None
    acceleration: bool | None = None


class Repository(BaseModel):
    """name: the full one, unique in its instance. Content hangs on the id, so that a new repository of an old name
    holds nothing of the old one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    instance_id: str
    namespace_id: str
    name: RepositoryName
    summary: str = ""
    visibility: Visibility
    acceleration: bool = False
    created_at: Moment
    created_by: str
    schema_version: int = 1
