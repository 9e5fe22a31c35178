"""Example calls of endpoints about pull-through caches, by the endpoint's name."""

from __future__ import annotations

from .world import Ask, Place, example


def _cache(at: Place) -> dict[str, str]:
    return {"namespace": at.create(f"{at.path}/caches", _new(at))["namespace"]}


def _new(at: Place) -> dict[str, object]:
    return {
        "namespace": at.namespace(),
        "upstream": "docker.io",
        "username": "ann",
        "password": "a-token-of-hers",
        "ttl_seconds": 600,
        "repositories": "{library/*,grafana/grafana}",
    }


@example
def list_caches(at: Place) -> Ask:
    return Ask(at.here(), query={"limit": 2})


@example
def create_cache(at: Place) -> Ask:
    return Ask(at.here(), body=_new(at))


@example
def show_cache(at: Place) -> Ask:
    return Ask(at.here(**_cache(at)))


@example
def edit_cache(at: Place) -> Ask:
    return Ask(at.here(**_cache(at)), body={"ttl_seconds": 0, "username": "bob", "password": "another"})


@example
def delete_cache(at: Place) -> Ask:
    return Ask(at.here(**_cache(at)))
