"""What the recycle bin tells of its entries, and what is asked of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from chalicelib.edge.answers import SearchQuery
from chalicelib.kernel.modelling import GIVEN, MADE
from chalicelib.kernel.moment import Moment

Kind = Literal["tag", "manifest", "repository", "namespace"]


class EntryQuery(SearchQuery):
    """kind: only entries of this kind; search: only those whose name, or whose repository's, holds this text;
    sort: by when they were deleted, `-` for the newest first."""

    kind: Kind | None = None
    sort: Literal["deleted_at", "-deleted_at"] = "-deleted_at"


class RestoreOrder(BaseModel):
    """What may be said when something is restored; nothing has to be.

    name         to come back under: a tag's, a repository's inside its namespace, or a namespace's
    leave_taken  of a manifest: tags that point elsewhere by now stay where they are, and the others come back
    """

    model_config = GIVEN

    name: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    leave_taken: bool = False


class EntryView(BaseModel):
    """An entry as the API shows it.

    name         tag, digest, full name of a repository, or namespace
    repository   full name of the one where a tag or manifest was, as it is called now; empty for a namespace
    tags         that come back with it: of a tag itself, of a manifest the first 100; empty for the other kinds
    tag_count    how many those are altogether; null where nobody counted
    size         bytes of all that it holds, also those that something else holds too
    expires_at   when it is freed, if the instance is not frozen meanwhile: then its clock stands still
    remaining_s  until then; 0 for one whose time is over
    restorable   whether it can be restored now; reason: why not
    """

    model_config = MADE

    id: str
    kind: Kind
    name: str
    namespace: str
    repository: str
    digest: str
    tags: tuple[str, ...]
    tag_count: int | None
    size: int
    deleted_at: Moment
    deleted_by: str
    expires_at: Moment
    remaining_s: int
    restorable: bool
    reason: str


class EntryLosses(BaseModel):
    """What goes with an entry that is freed; null for what its kind does not have.

    tags         that go; accelerated: versions that go along with a tag or manifest
    immutable    tags of a repository or namespace that a rule keeps
    size         bytes of content, also of what others share; more: there is more of all that
    """

    model_config = MADE

    repositories: int | None = None
    tags: int | None = None
    immutable: int | None = None
    accelerated: int | None = None
    manifests: int | None = None
    size: int = 0
    more: bool = False


class RestoredView(BaseModel):
    """What came back, under the names it has now. tags: that point to the digest again, and accelerated versions that
    came with them; left: those that were left where they are; both of tags and manifests only."""

    model_config = MADE

    kind: Kind
    namespace: str
    repository: str
    digest: str
    tags: tuple[str, ...]
    left: tuple[str, ...]
