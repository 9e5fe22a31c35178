"""What a repository is, and how the API speaks of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from chalicelib.edge.answers import SearchQuery, Sorting
from chalicelib.kernel.modelling import GIVEN, KEPT, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import RepositoryName
from chalicelib.namespaces.models import Visibility

Kind = Literal["image", "chart"]


class RepositoryEdit(BaseModel):
    """What may be changed later. None leaves it as it is."""

    model_config = GIVEN

    summary: str | None = Field(default=None, max_length=1000)
    visibility: Visibility | None = None
    acceleration: bool | None = None


class Repository(BaseModel):
    """name: the full one, unique in its instance. Content hangs on the id, so that a new repository of an old name
    holds nothing of the old one. kind: of what was pushed into it first; "" while it is empty. guarded: a pull policy
    holds in its namespace, whose row says so; None where that row was not read. upstream: the same of a registry that
    its namespace pulls through."""

    model_config = KEPT

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
    guarded: Annotated[bool | None, Field(exclude=True)] = None
    upstream: Annotated[bool | None, Field(exclude=True)] = None
    schema_version: int = 1

    def __eq__(self, other: object) -> bool:
        """What is no part of it, but was read beside it, makes no difference."""
        return isinstance(other, Repository) and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash(self.id)


class NewRepository(BaseModel):
    """name: inside its namespace; may hold slashes. visibility: the namespace's default where it is not said."""

    model_config = GIVEN

    name: str = Field(max_length=255)
    summary: str = Field(default="", max_length=1000)
    visibility: Visibility | None = None
    acceleration: bool = False


class RepositoryView(BaseModel):
    """A repository as the API shows it.

    name                    inside its namespace; full_name: with it; address: what clients pull, without a tag
    acceleration            the repository's own switch
    namespace_acceleration  while it is on, images are accelerated whatever the repository's switch says
    kind                    of what was pushed into it first; "" while it is empty
    """

    model_config = MADE

    id: str
    name: str
    namespace: str
    full_name: str
    address: str
    summary: str
    visibility: Visibility
    acceleration: bool
    namespace_acceleration: bool
    kind: Kind | Literal[""]
    created_at: Moment
    created_by: str


class RepositoryQuery(SearchQuery):
    """
    prefix   only names that begin so: one query a page
    name     the one of just this name
    kind     chart: only charts; image: all others, empty ones too
    sort     by name, up or down
    """

    prefix: str = Field(default="", max_length=255)
    name: str = Field(default="", max_length=255)
    kind: Kind | None = None
    sort: Sorting = "name"
