"""What an allowlist is, and how the API shows it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from chalicelib.edge.answers import SearchQuery
from chalicelib.kernel.modelling import GIVEN, KEPT, MADE
from chalicelib.kernel.moment import Moment

LONGEST_REMARK = 200
# The longest network has 43 characters; room for what people paste around it, which the answer then shows.
_LONGEST_CIDR = 100


class Entry(BaseModel):
    """cidr: in its shortest spelling, IPv4 or IPv6."""

    model_config = KEPT

    id: str
    cidr: str
    remark: str = ""
    created_at: Moment


class Allowlist(BaseModel):
    """All entries of an instance. None: everybody with credentials gets in. version: 0 before the first was added."""

    model_config = KEPT

    entries: tuple[Entry, ...] = ()
    version: int = 0
    schema_version: int = 1


class Standing(BaseModel):
    """Whether an address gets in at the public address, and by which entry: the narrowest; None where the list is
    empty, or nothing lets it in."""

    model_config = MADE

    address: str
    allowed: bool
    entry: Entry | None


class NewEntry(BaseModel):
    """cidr: an IPv4 or IPv6 network, or an address."""

    model_config = GIVEN

    cidr: Annotated[str, Field(max_length=_LONGEST_CIDR)]
    remark: Annotated[str, Field(max_length=LONGEST_REMARK)] = ""


class AllowlistQuery(SearchQuery):
    """
    search            only entries whose network or remark holds this text
    sort              by what, `-` for the newest or last first
    check             an address of which the answer tells whether it gets in
    adding, without   tell it as if this network were on the list, as if the entry of this id were not
    """

    sort: Literal["created_at", "-created_at", "cidr", "-cidr"] = "created_at"
    check: Annotated[str, Field(max_length=100)] = ""
    adding: Annotated[str, Field(max_length=_LONGEST_CIDR)] = ""
    without: Annotated[str, Field(max_length=100)] = ""


class EntryView(BaseModel):
    model_config = MADE

    id: str
    cidr: str
    remark: str
    created_at: Moment

    @classmethod
    def of(cls, entry: Entry) -> EntryView:
        return cls(id=entry.id, cidr=entry.cidr, remark=entry.remark, created_at=entry.created_at)


class AllowlistAnswer(BaseModel):
    """One page of entries. total: how many the search found; address, allowed, entry: of the address that was asked
    about, else of the caller's own."""

    model_config = MADE

    items: tuple[EntryView, ...]
    next: str | None = None
    total: int | None = None
    address: str
    allowed: bool
    entry: EntryView | None
