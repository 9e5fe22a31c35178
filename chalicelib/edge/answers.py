"""What endpoints answer beside plain models.

Listing[T]    200  {"items": […], "next": cursor or null, "total": n or null}
Created[T]    201  something new, with its Location
Accepted[T]   202  a task, with its Location
Text          200  something that is not JSON: an export, a YAML file
None          204

An endpoint's return annotation names them, and so does its documentation: `-> Created[NamespaceView]`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from chalicelib.kernel.modelling import GIVEN, MADE
from chalicelib.kernel.paging import Page

T = TypeVar("T")
Body = TypeVar("Body", bound=BaseModel)

MOST_ITEMS = 200


class Listing(BaseModel, Generic[T]):
    """One page. next: the cursor of the following page, null on the last; total: null where nobody counts."""

    model_config = MADE

    items: tuple[T, ...]
    next: str | None = None
    total: int | None = None

    @classmethod
    def of(cls, page: Page[T], total: int | None = None) -> Listing[T]:
        return cls(items=page.items, next=page.next, total=total)


class ListQuery(BaseModel):
    """limit: items a page at most; cursor: `next` of the page before."""

    model_config = GIVEN

    limit: Annotated[int, Field(ge=1, le=MOST_ITEMS)] = 50
    cursor: Annotated[str, Field(max_length=4096)] | None = None


class SearchQuery(ListQuery):
    """search: only items whose name holds this text."""

    search: Annotated[str, Field(max_length=255)] = ""


class NoQuery(BaseModel):
    model_config = GIVEN


class Confirmation(BaseModel):
    """confirm: the name of what is to be deleted; without it the answer says what would be lost."""

    model_config = GIVEN

    confirm: Annotated[str, Field(max_length=255)] = ""


class Problem(BaseModel):
    """What every refusal looks like."""

    class FieldProblem(BaseModel):
        field: str
        message: str

    code: str
    title: str
    detail: str
    status: int
    errors: tuple[FieldProblem, ...]
    request_id: str
    context: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted(Generic[Body]):
    """Background work that has begun. task: its model, as JSON shows it; location: its path."""

    task: Body
    location: str


@dataclass(frozen=True, slots=True)
class Created(Generic[Body]):
    """Something new, and its path."""

    body: Body
    location: str


@dataclass(frozen=True, slots=True)
class Text:
    media_type: str
    body: str
    headers: dict[str, str] = field(default_factory=dict)


Sorting = Literal["name", "-name"]
