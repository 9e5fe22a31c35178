"""A tag's history through the API, and the way back."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from chalicelib.edge.answers import Listing, SearchQuery
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.errors import NameInvalid, NotFound
from chalicelib.kernel.modelling import GIVEN
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import Digest, TagName
from chalicelib.kernel.roles import Right
from chalicelib.repositories.api import REPOSITORY, repository_of

from .history import Histories, Move, MovesAsked
from .models import Caller, How
from .tag_views import TagDetail, TagViews, View

routes = Routes("registry")


class RollbackState(View):
    """possible: whether the tag can go back there; until: it can until then at least, null while something needs the
    content; reason: why it cannot."""

    possible: bool
    until: Moment | None
    reason: str


class MoveView(View):
    """The tag came to a digest.

    previous  where it pointed before; empty where there was no such tag
    how       a push, a copy on the server, a rollback, a restoration from the recycle bin, or the conversion of its
              original
    current   it points there now, since this move
    """

    digest: str
    previous: str
    pushed_at: Moment
    pushed_by: str
    how: How
    current: bool
    rollback: RollbackState

    @classmethod
    def of(cls, move: Move) -> MoveView:
        held = RollbackState(possible=move.held.possible, until=move.held.until, reason=move.held.reason)
        return cls(
            digest=move.digest,
            previous=move.previous,
            pushed_at=move.pushed_at,
            pushed_by=move.pushed_by,
            how=move.how,
            current=move.current,
            rollback=held,
        )


class HistoryQuery(SearchQuery):
    """search: only moves to a digest, or by somebody, that holds this text; sort: by when, `-` for the last first."""

    sort: Literal["pushed_at", "-pushed_at"] = "-pushed_at"


class NewRollback(BaseModel):
    """digest: one that the tag pointed to before."""

    model_config = GIVEN

    digest: Digest


@routes.get(f"{REPOSITORY}/tags/{{tag}}/history", needs=Right.READ_CONTENT)
def list_tag_history(call: Call, query: HistoryQuery) -> Listing[MoveView]:
    """List every digest a tag has pointed to, newest first.

    Also of a tag that was deleted. The same digest pushed once more is no move and has no line of its own. A search
    looks at up to 5 000 moves a page, which may then be short and still have a `next`.
    """
    asked = MovesAsked(query.cursor, query.limit, query.search, oldest_first=query.sort == "pushed_at")
    found = Histories(call.stack).page(instance_of(call), repository_of(call), _tag(call), asked)
    return Listing.of(found.map(MoveView.of))


@routes.post(
    f"{REPOSITORY}/tags/{{tag}}/rollback", needs=Right.CHANGE_CONTENT, changes="tag.rollback", status=200, also=(409,)
)
def roll_tag_back(call: Call, body: NewRollback) -> TagDetail:
    """Let a tag point again to a digest of its history, whose content is still held.

    It is a push like any other: the tag counts as pushed now, by the caller, and what follows a push follows. A tag
    that was deleted comes back. 409 where the content is gone, where it lies in the recycle bin, and where a rule
    keeps the tag where it is.
    """
    instance, repository, name = instance_of(call), repository_of(call), _tag(call)
    call.tell(object=f"{name} to {body.digest}")
    tag = Histories(call.stack).rollback(Caller(instance, call.principal), repository, name, body.digest)
    return TagViews(call.stack).detail(instance, repository, tag)


def _tag(call: Call) -> TagName:
    """What {tag} in the path says; there need not be such a tag any more. Raises NotFound for what cannot be one."""
    try:
        return TagName.parse(call.parts["tag"])
    except NameInvalid:
        raise NotFound("there is no such tag") from None
