"""Tags through the API: lists, details, and copies on the server."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from chalicelib.edge.answers import Listing, SearchQuery
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.kernel.errors import NameInvalid, NotFound
from chalicelib.kernel.names import TagName
from chalicelib.kernel.roles import Right
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from .listing import TagLists, TagsAsked, TagSort
from .models import TagRecord
from .service import Registry
from .tag_views import TagDetail, TagView, TagViews

routes = Routes("registry")

REPOSITORY: Final = "/instances/{instance}/namespaces/{namespace}/repositories/{repository}"


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
    asked = TagsAsked(repository_of(call).id, query.sort, query.prefix, query.search, query.limit)
    page = TagLists(call.stack.table).page(asked, query.cursor)
    return Listing(items=TagViews(call.stack).rows(instance_of(call), page.items), next=page.next)


@routes.get(f"{REPOSITORY}/tags/{{tag}}", needs=Right.READ_CONTENT)
def get_tag(call: Call) -> TagDetail:
    """Show one tag, and how to pull it."""
    repository = repository_of(call)
    return TagViews(call.stack).detail(instance_of(call), repository, tag_of(call, repository))


def repository_of(call: Call) -> Repository:
    """What {namespace} and {repository} in the path mean. Raises NotFound."""
    return Repositories(call.stack).of_namespace(instance_of(call), call.parts["namespace"], call.parts["repository"])


def tag_of(call: Call, repository: Repository) -> TagRecord:
    """What {tag} in the path means. Raises NotFound, also for what cannot be a tag's name."""
    try:
        name = TagName.parse(call.parts["tag"])
    except NameInvalid:
        raise NotFound("there is no such tag") from None
    return Registry(call.stack).tag(repository, name)
