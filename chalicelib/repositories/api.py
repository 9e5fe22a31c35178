"""Repositories in the management API (N3).

Deleting one takes its content along: `registry/deletions_api.py`. Who else may pull: `shares_api.py`. What Kubernetes
needs to run their images: `registry/kubernetes_api.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.edge.answers import Created, Listing
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import instance_of
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Invalid, NameInvalid
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.roles import Right
from chalicelib.namespaces.service import Namespaces

from .models import NewRepository, Repository, RepositoryEdit, RepositoryQuery, RepositoryView
from .service import Repositories

routes = Routes("repositories")

_OF_NAMESPACE = "/instances/{instance}/namespaces/{namespace}/repositories"
REPOSITORY = _OF_NAMESPACE + "/{repository}"


def repository_of(call: Call) -> Repository:
    """What {repository} in the path of a call means, as the table has it; the audit record will name it in full.

    Raises NotFound, in the same words for what is missing and what is foreign.
    """
    found = Repositories(call.stack).of_namespace(instance_of(call), call.parts["namespace"], call.parts["repository"])
    call.tell(repository=found.name)
    return found


def path_of(repository: Repository) -> str:
    """Where the API shows it, whatever it will be called."""
    return f"/instances/{repository.instance_id}/namespaces/{repository.name.namespace}/repositories/{repository.id}"


@routes.get("/instances/{instance}/repositories", needs=Right.READ_CONTENT)
def list_all_repositories(call: Call, query: RepositoryQuery) -> Listing[RepositoryView]:
    """List the repositories of an instance.

    In name order; `name`, `prefix` and `search` go by the full name. By prefix a page is one query; `search` and
    `kind` look at 5 000 repositories at most and then answer a cursor, also where they found none yet.
    """
    return _listing(call, "", query)


@routes.get(_OF_NAMESPACE, needs=Right.READ_CONTENT)
def list_repositories_of_namespace(call: Call, query: RepositoryQuery) -> Listing[RepositoryView]:
    """List the repositories of a namespace.

    As for a whole instance, but `name`, `prefix` and `search` go by the name inside the namespace.
    """
    namespace = Namespaces(call.stack).get(instance_of(call).id, call.parts["namespace"], fresh=True)
    return _listing(call, namespace.name, query)


@routes.post(_OF_NAMESPACE, needs=Right.CHANGE_CONTENT, changes="repository.create")
def create_repository(call: Call, body: NewRepository) -> Created[RepositoryView]:
    """Make a repository.

    409 if the name is taken, 403 QUOTA_EXCEEDED where the instance holds as many as it may. `acceleration` needs an
    enterprise instance.
    """
    instance = instance_of(call)
    namespace = Namespaces(call.stack).get(instance.id, call.parts["namespace"], fresh=True)
    name = _full_name(namespace.name, body.name)
    call.tell(repository=name)
    visibility = body.visibility or namespace.default_visibility
    made = Repositories(call.stack).create(
        instance, name, visibility, call.by, summary=body.summary, acceleration=body.acceleration
    )
    return Created(_viewer(call)(made), path_of(made))


@routes.get(REPOSITORY, needs=Right.READ_CONTENT)
def show_repository(call: Call) -> RepositoryView:
    """Show a repository."""
    return _viewer(call)(repository_of(call))


@routes.patch(REPOSITORY, needs=Right.CHANGE_CONTENT, changes="repository.edit")
def edit_repository(call: Call, body: RepositoryEdit) -> RepositoryView:
    """Change a repository's summary, visibility or acceleration.

    What the body does not name stays as it is. `acceleration` cannot be changed while the namespace accelerates all.
    """
    repository = repository_of(call)
    return _viewer(call)(Repositories(call.stack).edit(instance_of(call), repository.name, body))


def _listing(call: Call, namespace: str, query: RepositoryQuery) -> Listing[RepositoryView]:
    page = Repositories(call.stack).search(instance_of(call).id, namespace, query)
    return Listing[RepositoryView].of(page.map(_viewer(call)))


def _viewer(call: Call) -> Callable[[Repository], RepositoryView]:
    """Makes views of the instance's repositories."""
    address, repositories = Instances(call.stack).public_address(instance_of(call)), Repositories(call.stack)

    def view(repository: Repository) -> RepositoryView:
        return RepositoryView(
            id=repository.id,
            name=repository.name.short,
            namespace=repository.name.namespace,
            full_name=repository.name,
            address=f"{address}/{repository.name}",
            summary=repository.summary,
            visibility=repository.visibility,
            acceleration=repository.acceleration,
            namespace_acceleration=repositories.accelerated_whole(repository),
            kind=repository.kind,
            created_at=repository.created_at,
            created_by=repository.created_by,
        )

    return view


def _full_name(namespace: str, short: str) -> RepositoryName:
    """Raises Invalid naming `name`."""
    try:
        return RepositoryName.parse(f"{namespace}/{short}")
    except NameInvalid as malformed:
        message = "a repository's name has a–z and 0–9, with . _ - or / between them; with its namespace 255 at most"
        raise Invalid("name", message) from malformed
