"""Example calls of endpoints about synchronisation and remotes, by the endpoint's name."""

from __future__ import annotations

from typing import Any

from .world import Ask, Place, example, fresh


def _new_remote() -> dict[str, Any]:
    login = {"username": "robot", "password": "a-password-there"}
    return {"name": fresh("remote"), "address": "https://registry.example.com", "remark": "the other site", **login}


def _remote(at: Place) -> dict[str, str]:
    """A fresh one; there may be fifty, so others go."""
    for old in at.owner.get(f"{at.path}/remotes", limit=200).json()["items"]:
        at.owner.delete(f"{at.path}/remotes/{old['id']}")
    return at.here(remote=at.create(f"{at.path}/remotes", _new_remote())["id"])


def _order(at: Place) -> dict[str, Any]:
    """Between namespaces of its own: others may be in the way."""
    return {
        "content": ["image"],
        "source_namespace": at.namespace(),
        "source_repositories": "app*",
        "source_tags": "{v1,v2*}",
        "target_instance": at.instance.id,
        "target_namespace": at.namespace(),
        "override": True,
        "bandwidth": 10_000_000,
    }


def _new_rule(at: Place) -> dict[str, Any]:
    return {"name": "to production", "description": "what was tested", **_order(at)}


def _rule(at: Place) -> dict[str, str]:
    for old in at.owner.get(f"{at.path}/sync-rules", limit=200).json()["items"]:
        at.owner.delete(f"{at.path}/sync-rules/{old['id']}")
    return at.here(rule=at.create(f"{at.path}/sync-rules", _new_rule(at))["id"])


@example
def list_remotes(at: Place) -> Ask:
    _remote(at)
    return Ask(at.here(), query={"limit": 1})


@example
def create_remote(at: Place) -> Ask:
    _remote(at)
    return Ask(at.here(), body=_new_remote())


@example
def show_remote(at: Place) -> Ask:
    return Ask(_remote(at))


@example
def edit_remote(at: Place) -> Ask:
    return Ask(_remote(at), body={"remark": "moved", "address": "registry.example.net:5000", "password": "another"})


@example
def delete_remote(at: Place) -> Ask:
    return Ask(_remote(at))


@example
def try_remote(at: Place) -> Ask:
    """Of a name that has no address anywhere."""
    parts = _remote(at)
    at.owner.patch(f"{at.path}/remotes/{parts['remote']}", {"address": "https://registry.invalid"})
    return Ask(parts)


@example
def list_sync_rules(at: Place) -> Ask:
    _rule(at)
    return Ask(at.here(), query={"limit": 1})


@example
def create_sync_rule(at: Place) -> Ask:
    _rule(at)
    return Ask(at.here(), body=_new_rule(at))


@example
def show_sync_rule(at: Place) -> Ask:
    return Ask(_rule(at))


@example
def edit_sync_rule(at: Place) -> Ask:
    return Ask(_rule(at), body={"enabled": False, "source_tags": "", "description": "for a while"})


@example
def delete_sync_rule(at: Place) -> Ask:
    return Ask(_rule(at))


@example
def list_sync_tasks(at: Place) -> Ask:
    at.create(f"{at.path}/sync-tasks", _order(at))
    return Ask(at.here(), query={"rule": "manual", "limit": 1})


@example
def create_sync_task(at: Place) -> Ask:
    return Ask(at.here(), body=_order(at))
