"""Example calls of endpoints about immutability rules, by the endpoint's name."""

from __future__ import annotations

from .world import NAMESPACE, Ask, Place, example, fresh


def _rule(at: Place) -> dict[str, str]:
    """One that keeps nothing that other examples push: a namespace has room for fifty."""
    body = {"namespace": at.namespace(), "repositories": fresh("app"), "tags": "v*"}
    return at.here(rule=at.create(f"{at.path}/immutability-rules", body)["id"])


@example
def list_immutability_rules(at: Place) -> Ask:
    return Ask(at.here(), query={"namespace": NAMESPACE, "limit": 2})


@example
def create_immutability_rule(at: Place) -> Ask:
    return Ask(at.here(), body={"namespace": at.namespace(), "repositories": "team/*", "tags": "{v*,latest}"})


@example
def show_immutability_rule(at: Place) -> Ask:
    return Ask(_rule(at))


@example
def edit_immutability_rule(at: Place) -> Ask:
    return Ask(_rule(at), body={"enabled": False})


@example
def delete_immutability_rule(at: Place) -> Ask:
    return Ask(_rule(at))


@example
def list_matching_tags(at: Place) -> Ask:
    image = at.image()
    return Ask(at.here(namespace=image.namespace), query={"repositories": "app*", "tags": "{stable*,latest}"})
