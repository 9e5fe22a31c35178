"""Tags through the API: lists, details, and copies on the server."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from chalicelib.edge.answers import Created, Listing, SearchQuery
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.errors import Invalid, NameInvalid, NotFound
from chalicelib.kernel.modelling import GIVEN
from chalicelib.kernel.names import NamespaceName, RepositoryName, TagName
from chalicelib.kernel.roles import Right
from chalicelib.namespaces.service import Namespaces
from chalicelib.repositories.api import REPOSITORY, path_of, repository_of
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from .copies import Copies, Copy
from .listing import TagLists, TagsAsked, TagSort
from .matching import Matching, MatchingTag, MatchQuery
from .models import Caller, TagRecord
from .service import Registry
from .tag_views import TagDetail, TagView, TagViews

routes = Routes("registry")


class TagQuery(SearchQuery):
    """prefix: only tags whose name begins so; sort: by what, `-` for the greatest, newest or last first."""

    prefix: Annotated[str, Field(max_length=128)] = ""
    sort: TagSort = "name"


@routes.get(f"{REPOSITORY}/tags", needs=Right.READ_CONTENT)
def list_tags(call: Call, query: TagQuery) -> Listing[TagView]:
    """List a repository's tags.

    By name (in version order inside a page), by name and prefix, and by push time a page is one query. A search, a
    prefix together with push time, and the orders by size and by last pull look at up to 5 000 tags a page: a page may
    then be short or empty and still have a `next`, and the two orders hold within each 5 000 tags.
    """
    repository = repository_of(call)
    asked = TagsAsked(repository.id, query.sort, query.prefix, query.search, query.limit)
    page = TagLists(call.stack.table).page(asked, query.cursor)
    return Listing(items=TagViews(call.stack).rows(instance_of(call), repository, page.items), next=page.next)


@routes.get(f"{REPOSITORY}/tags/{{tag}}", needs=Right.READ_CONTENT)
def get_tag(call: Call) -> TagDetail:
    """Show one tag, and how to pull it."""
    repository = repository_of(call)
    return TagViews(call.stack).detail(instance_of(call), repository, tag_of(call, repository))


@routes.get("/instances/{instance}/namespaces/{namespace}/matching-tags", needs=Right.READ_CONTENT)
def list_matching_tags(call: Call, query: MatchQuery) -> Listing[MatchingTag]:
    """List the tags of a namespace that two patterns mean, before a rule has them.

    By name. One page looks at 5 000 tags at most and then answers a cursor, also where it found none yet.
    """
    namespace = Namespaces(call.stack).get(instance_of(call).id, call.parts["namespace"], fresh=True)
    return Listing.of(Matching(call.stack, namespace).page(query))


class NewCopy(BaseModel):
    """namespace, repository: where to, both inside the instance; left out, the tag's own. referrers: signatures, SBOMs
    and other artifacts about the image go along."""

    model_config = GIVEN

    namespace: NamespaceName | None = None
    repository: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    tag: TagName
    referrers: bool = False


@routes.post(f"{REPOSITORY}/tags/{{tag}}/copies", needs=Right.CHANGE_CONTENT, changes="tag.copy")
def copy_tag(call: Call, body: NewCopy) -> Created[TagView]:
    """Copy a tag on the server, or add another to what it points to.

    No bytes move: layers are shared, and the whole index goes with its images. The target is pushed to like by any
    client: its namespace may make the repository, quotas and immutable tags hold, and what follows a push follows. 409
    TAG_RESERVED for a name that belongs to an accelerated version.
    """
    instance, source = instance_of(call), repository_of(call)
    tag = tag_of(call, source)
    target = _target(source, body)
    call.tell(object=f"{tag.name} to {target}:{body.tag}")
    if (target, body.tag) == (source.name, tag.name):
        raise Invalid("tag", "is the tag itself; name another tag, repository or namespace")
    caller = Caller(instance, call.principal)
    Copies(call.stack).copy(Copy(caller, source, tag.digest, target, body.tag, body.referrers))
    made = Repositories(call.stack).get(instance.id, target, fresh=True)
    (view,) = TagViews(call.stack).rows(instance, made, [Registry(call.stack).tag(made, body.tag)])
    return Created(view, f"{path_of(made)}/tags/{body.tag}")


def _target(source: Repository, body: NewCopy) -> RepositoryName:
    namespace, short = body.namespace or source.name.namespace, body.repository or source.name.short
    try:
        return RepositoryName.parse(f"{namespace}/{short}")
    except NameInvalid as refused:
        raise Invalid("repository", refused.message) from refused


def tag_of(call: Call, repository: Repository) -> TagRecord:
    """What {tag} in the path means. Raises NotFound, also for what cannot be a tag's name."""
    try:
        name = TagName.parse(call.parts["tag"])
    except NameInvalid:
        raise NotFound("there is no such tag") from None
    return Registry(call.stack).tag(repository, name)
