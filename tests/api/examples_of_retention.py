"""Example calls of endpoints of retention, by the endpoint's name."""

from __future__ import annotations

from .world import Ask, Place, example

_RULE = {"repositories": "{app,tools-*}", "tags": "v*", "keep_last": 10}


def _namespace(at: Place) -> dict[str, str]:
    return at.here(namespace=at.namespace())


def _rule(at: Place, namespace: dict[str, str]) -> dict[str, str]:
    path = f"{at.path}/namespaces/{namespace['namespace']}/retention/rules"
    return {**namespace, "rule": at.create(path, _RULE)["id"]}


def _run(at: Place) -> dict[str, str]:
    ruled = _rule(at, _namespace(at))
    path = f"{at.path}/namespaces/{ruled['namespace']}/retention/runs"
    run = at.create(path, {"dry_run": True})
    return at.here(namespace=ruled["namespace"], run=run["id"])


@example
def list_retention(at: Place) -> Ask:
    return Ask(at.here(), query={"search": "space", "sort": "-name", "limit": 2})


@example
def show_retention(at: Place) -> Ask:
    return Ask(_namespace(at))


@example
def set_retention(at: Place) -> Ask:
    schedule = {"cron": "30 2 * * 0", "timezone": "Europe/Berlin"}
    return Ask(_namespace(at), body={"schedule": schedule, "acknowledged": True})


@example
def try_retention_schedule(at: Place) -> Ask:
    return Ask(_namespace(at), query={"cron": "30 2 * * 0", "timezone": "Europe/Berlin"})


@example
def list_retention_rules(at: Place) -> Ask:
    return Ask(_namespace(at))


@example
def create_retention_rule(at: Place) -> Ask:
    return Ask(_namespace(at), body=_RULE)


@example
def show_retention_rule(at: Place) -> Ask:
    return Ask(_rule(at, _namespace(at)))


@example
def edit_retention_rule(at: Place) -> Ask:
    return Ask(_rule(at, _namespace(at)), body={"keep_last": 20})


@example
def delete_retention_rule(at: Place) -> Ask:
    return Ask(_rule(at, _namespace(at)), query={"acknowledged": "true"})


@example
def list_unmatched_tags(at: Place) -> Ask:
    return Ask(_namespace(at), query={"limit": 10})


@example
def try_retention_rules(at: Place) -> Ask:
    return Ask(_namespace(at), body={"rules": [_RULE]}, query={"limit": 10})


@example
def run_retention(at: Place) -> Ask:
    ruled = _rule(at, _namespace(at))
    return Ask(at.here(namespace=ruled["namespace"]), body={"dry_run": False, "acknowledged": True})


@example
def list_retention_runs(at: Place) -> Ask:
    run = _run(at)
    return Ask(at.here(namespace=run["namespace"]), query={"limit": 5})


@example
def show_retention_run(at: Place) -> Ask:
    return Ask(_run(at))


@example
def list_retention_run_items(at: Place) -> Ask:
    return Ask(_run(at), query={"verdict": "deleted"})
