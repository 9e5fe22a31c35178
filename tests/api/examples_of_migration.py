"""Example calls of endpoints of migration, by the endpoint's name."""

from __future__ import annotations

from .world import Ask, Place, example


@example
def list_migrations(at: Place) -> Ask:
    return Ask(at.here(), query={"limit": 10})


@example
def start_migration(at: Place) -> Ask:
    namespace = at.namespace()
    images = {"registry.example.com/team/app:v1,v2": f"{namespace}/app"}
    auth = {"registry.example.com": {"username": "me", "password": "correct-horse-battery-42"}}
    return Ask(at.here(), body={"images": images, "auth": auth})
