"""Example calls of endpoints about repositories and what is in them, by the endpoint's name."""

from __future__ import annotations

from chalicelib.tasks.service import Tasks

from .world import NAMESPACE, Ask, Place, example, fresh


@example
def list_all_repositories(at: Place) -> Ask:
    return Ask(at.here(), query={"search": "app", "limit": 2})


@example
def list_repositories_of_namespace(at: Place) -> Ask:
    return Ask(at.here(namespace=at.namespace()), query={"limit": 2})


@example
def create_repository(at: Place) -> Ask:
    return Ask(at.here(namespace=at.namespace()), body={"name": fresh("app"), "summary": "An app"})


def _repository(at: Place) -> dict[str, str]:
    return at.here(namespace=NAMESPACE, repository=at.repository().id)


@example
def show_repository(at: Place) -> Ask:
    return Ask(_repository(at))


@example
def edit_repository(at: Place) -> Ask:
    return Ask(_repository(at), body={"visibility": "public"})


@example
def show_kubernetes_manifests(at: Place) -> Ask:
    return Ask(at.here(**at.image().parts), query={"tag": "stable-1"})


@example
def list_tags(at: Place) -> Ask:
    return Ask(at.here(**at.image().parts), query={"sort": "-pushed_at"})


@example
def get_tag(at: Place) -> Ask:
    image = at.image()
    return Ask(at.here(**image.parts, tag=image.tag))


@example
def get_manifest(at: Place) -> Ask:
    image = at.image()
    return Ask(at.here(**image.parts, digest=image.digest))


@example
def delete_tag(at: Place) -> Ask:
    image = at.image()
    return Ask(at.here(**image.parts, tag=image.tag))


@example
def delete_tags(at: Place) -> Ask:
    image = at.image()
    return Ask(at.here(**image.parts), body={"tags": [image.tag], "dry_run": False})


@example
def show_repository_losses(at: Place) -> Ask:
    repository = at.repository()
    return Ask(at.here(namespace=NAMESPACE, repository=repository.id))


@example
def show_namespace_losses(at: Place) -> Ask:
    return Ask(at.here(namespace=at.namespace()))


@example
def delete_repository(at: Place) -> Ask:
    repository = at.repository()
    return Ask(at.here(namespace=NAMESPACE, repository=repository.id), query={"confirm": repository.name.short})


@example
def delete_namespace(at: Place) -> Ask:
    namespace = at.namespace()
    return Ask(at.here(namespace=namespace), query={"confirm": namespace})


@example
def list_tasks(at: Place) -> Ask:
    return Ask(at.here(), query={"kind": "deletion", "state": "queued"})


def _task(at: Place) -> dict[str, str]:
    task, write = Tasks(at.stack).create(at.instance.id, "deletion", {"namespace": NAMESPACE}, "owner")
    at.stack.table.put(write.item)
    return at.here(task=task.id)


@example
def get_task(at: Place) -> Ask:
    return Ask(_task(at))


@example
def list_task_items(at: Place) -> Ask:
    return Ask(_task(at))


@example
def cancel_task(at: Place) -> Ask:
    return Ask(_task(at))


@example
def retry_task(at: Place) -> Ask:
    parts = _task(at)
    answer = at.owner.post(f"{at.path}/tasks/{parts['task']}/cancel")
    assert answer.status == 200, answer.text
    return Ask(parts)


def _share(at: Place) -> dict[str, str]:
    repository = at.repository()
    path = f"{at.path}/namespaces/{NAMESPACE}/repositories/{repository.id}/shares"
    made = at.create(path, {"account": "guests", "username": fresh("guest")})
    return at.here(namespace=NAMESPACE, repository=repository.id, share=made["id"])


@example
def list_shares(at: Place) -> Ask:
    return Ask(_repository(at))


@example
def list_instance_shares(at: Place) -> Ask:
    _share(at)
    return Ask(at.here(), query={"limit": 1})


@example
def create_share(at: Place) -> Ask:
    return Ask(_repository(at), body={"account": "guests", "username": fresh("guest")})


@example
def show_share(at: Place) -> Ask:
    return Ask(_share(at))


@example
def delete_share(at: Place) -> Ask:
    return Ask(_share(at))


@example
def list_shared_with_me(_at: Place) -> Ask:
    return Ask()


@example
def copy_tag(at: Place) -> Ask:
    image = at.image()
    return Ask(at.here(**image.parts, tag=image.tag), body={"tag": "stable-2"})


@example
def show_overview(_at: Place) -> Ask:
    return Ask(query={"days": 2})


@example
def create_kubernetes_manifests(at: Place) -> Ask:
    return Ask(at.here(**at.image().parts), body={"tag": "stable-1", "pin": True})
