"""Deleting through the API: tags, repositories and namespaces. All of it can be restored for the grace period."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from chalicelib.edge.answers import Accepted, Confirmation
from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.instances.models import Instance, instance_of
from chalicelib.kernel.errors import ConfirmationRequired, Conflict, TagImmutable
from chalicelib.kernel.roles import Right
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import binding_keys
from chalicelib.repositories.api import REPOSITORY, repository_of
from chalicelib.repositories.models import Repository
from chalicelib.tasks.models import Task, TaskView

from .losses import ContentLosses, Losing, Losses, NamespaceLosses, RepositoryLosses, in_words
from .namespace_retirement import NamespaceRetirement
from .repository_retirement import RepositoryRetirement
from .tag_deletions import TagDeletion, TagDeletionOrder, TagDeletions
from .tags_api import tag_of

routes = Routes("registry")

_NAMESPACE = "/instances/{instance}/namespaces/{namespace}"
# Services that a warning names.
_MOST_NAMED = 10


@routes.delete(f"{REPOSITORY}/tags/{{tag}}", needs=Right.CHANGE_CONTENT, changes="tag.delete", status=200, also=(409,))
def delete_tag(call: Call) -> TagDeletion:
    """Delete a tag, and tell what goes with it.

    Its accelerated version goes along. Content that another tag or an index still needs stays. What goes lies in the
    recycle bin for the grace period; its bytes are freed after that. `POST …/tag-deletions` with `dry_run` tells
    beforehand. 409 TAG_IMMUTABLE where a rule keeps the tag.
    """
    repository = repository_of(call)
    tag = tag_of(call, repository)
    call.tell(object=tag.name)
    deleted = TagDeletions(call.stack, instance_of(call), repository, call.by).delete([tag.name])
    for kept in deleted.kept:
        if kept.rule_id:
            raise TagImmutable(repository.name, tag.name, kept.rule_id)
    if not deleted.tags:
        raise Conflict(f"tag {tag.name} was pushed or deleted meanwhile; look at it again", tag=tag.name)
    return deleted


@routes.post(f"{REPOSITORY}/tag-deletions", needs=Right.CHANGE_CONTENT, changes="tag.delete", status=200)
def delete_tags(call: Call, body: TagDeletionOrder) -> TagDeletion | Accepted[TaskView]:
    """Delete many tags: those named, or all that match a prefix or hold a text.

    Up to 100 are deleted at once, and the answer tells which digests and bytes go and which tags of them stay. More are
    deleted by a task, which leaves alone what is pushed meanwhile. Accelerated versions go along. Tags that a rule
    keeps stay, and the answer lists them. With `dry_run` nothing is deleted, and nothing recorded; sent along with all
    that match, its `seen` makes sure that just that is deleted: 409 CONFLICT where it has changed.
    """
    repository = repository_of(call)
    call.only_asks = body.dry_run
    preview = "dry run: " if body.dry_run else ""
    call.tell(object=(preview + (" ".join(body.tags) if body.tags else "all that match"))[:500])
    done = TagDeletions(call.stack, instance_of(call), repository, call.by).order(body)
    return _accepted(done, instance_of(call)) if isinstance(done, Task) else done


# Asked for by whoever may delete: it counts thousands of rows.
@routes.get(f"{REPOSITORY}/losses", needs=Right.CHANGE_CONTENT)
def show_repository_losses(call: Call) -> RepositoryLosses:
    """Show what deleting a repository would take with it."""
    repository = repository_of(call)
    lost = Losing(call.stack, instance_of(call)).repository(repository)
    return RepositoryLosses(**_counted(lost), services=tuple(_bound(call, repository)))


@routes.delete(REPOSITORY, needs=Right.CHANGE_CONTENT, changes="repository.delete")
def delete_repository(call: Call, query: Confirmation) -> None:
    """Delete a repository with all its content.

    Asks for the repository's name as confirmation and says what would be lost, in numbers in the refusal's `context`:
    `tags`, `immutable` ones of them, `manifests`, `size` in bytes, `more` where there is more than that, and `services`
    whose images it holds. Its name and its place in the quota come free at once; it can be restored whole for the grace
    period.
    """
    repository, instance = repository_of(call), instance_of(call)
    lost = Losing(call.stack, instance).repository(repository)
    if query.confirm not in (repository.name, repository.name.short):
        services = _bound(call, repository)
        raise ConfirmationRequired(
            f"this deletes repository {repository.name} with {lost}{_in_words(services)}; confirm with "
            f"?confirm={repository.name.short}",
            **asdict(lost),
            services=services,
        )
    RepositoryRetirement(call.stack).delete(instance, repository, call.by, size=lost.size)


@routes.get(f"{_NAMESPACE}/losses", needs=Right.CHANGE_CONTENT)
def show_namespace_losses(call: Call) -> NamespaceLosses:
    """Show what deleting a namespace would take with it."""
    instance = instance_of(call)
    namespace = Namespaces(call.stack).get(instance.id, call.parts["namespace"], fresh=True)
    lost = Losing(call.stack, instance).namespace(namespace.name)
    return NamespaceLosses(**_counted(lost), repositories=lost.repositories or 0)


@routes.delete(_NAMESPACE, needs=Right.CHANGE_CONTENT, changes="namespace.delete", also=(409,))
def delete_namespace(call: Call, query: Confirmation) -> Accepted[TaskView]:
    """Delete a namespace with all its repositories.

    Asks for the namespace's name as confirmation and says what would be lost, in numbers in the refusal's `context` as
    for a repository, with how many `repositories`. It answers like missing at once; a task takes its repositories into
    the recycle bin, after which its name and its place in the quota are free. It can be restored whole for the grace
    period.
    """
    instance = instance_of(call)
    namespace = Namespaces(call.stack).get(instance.id, call.parts["namespace"], fresh=True)
    lost = Losing(call.stack, instance).namespace(namespace.name)
    if query.confirm != namespace.name:
        raise ConfirmationRequired(
            f"this deletes namespace {namespace.name} with {lost}; confirm with ?confirm={namespace.name}",
            **asdict(lost),
        )
    retirement = NamespaceRetirement(call.stack)
    total = None if lost.more else lost.repositories
    task = retirement.delete(instance, namespace, call.by, repositories=total, size=lost.size)
    return _accepted(task, instance)


def _counted(lost: Losses) -> dict[str, Any]:
    return {name: number for name, number in asdict(lost).items() if name in ContentLosses.model_fields}


def _bound(call: Call, repository: Repository) -> list[str]:
    """Which services would be without their images, one more at most than are named."""
    first = binding_keys.bound_services(repository.id)
    rows = call.stack.table.query(first.pk, prefix=first.sk, limit=_MOST_NAMED + 1).items
    return [f"{row['environment']}/{row['service']}" for row in rows]


def _in_words(services: list[str]) -> str:
    """ "" for none."""
    listed = ", ".join(services[:_MOST_NAMED]) + (" and more" if len(services) > _MOST_NAMED else "")
    return f"; the images of {in_words(len(services), 'service')} are in it ({listed})" if services else ""


def _accepted(task: Task, instance: Instance) -> Accepted[TaskView]:
    return Accepted(TaskView.of(task), f"/instances/{instance.id}/tasks/{task.id}")
