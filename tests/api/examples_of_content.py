"""Example calls of endpoints about repositories and what is in them, by the endpoint's name."""

from __future__ import annotations

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
    return Ask(at.here(**at.image().parts), query={"tag": "v1"})


@example
def list_tags(at: Place) -> Ask:
    return Ask(at.here(**at.image().parts), query={"sort": "-pushed_at"})


@example
def get_tag(at: Place) -> Ask:
    image = at.image()
    return Ask(at.here(**image.parts, tag=image.tag))
