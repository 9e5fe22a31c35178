"""Example calls of endpoints about who gets in with what, by the endpoint's name."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from functools import cache
from typing import Any

from tests.identity.issuer import Issuer, issuing

from .world import NAMESPACE, Ask, Place, example, fresh

PERMISSIONS = [{"namespaces": NAMESPACE, "repositories": "**", "actions": ["pull"]}]


@example
def list_credentials(at: Place) -> Ask:
    _robot(at)
    return Ask(at.here(), query={"limit": 1})


@example
def create_credential(at: Place) -> Ask:
    return Ask(at.here(), body={"username": fresh("robot"), "permissions": PERMISSIONS})


def _robot(at: Place) -> dict[str, str]:
    made = at.create(f"{at.path}/credentials", {"username": fresh("robot"), "permissions": PERMISSIONS})
    return at.here(username=made["username"])


@example
def show_credential(at: Place) -> Ask:
    return Ask(_robot(at))


@example
def delete_credential(at: Place) -> Ask:
    return Ask(_robot(at))


@example
def reset_credential_password(at: Place) -> Ask:
    return Ask(_robot(at), body={})


def _rule(issuer: str = "https://issuer.example.com") -> dict[str, Any]:
    return {"issuer": issuer, "audience": "registry", "subject": "repo:acme/*", "permissions": PERMISSIONS}


@example
def list_workload_identities(at: Place) -> Ask:
    _workload(at)
    return Ask(at.here(), query={"limit": 1})


@example
def create_workload_identity(at: Place) -> Ask:
    return Ask(at.here(), body=_rule())


def _workload(at: Place) -> dict[str, str]:
    return at.here(workload=at.create(f"{at.path}/workload-identities", _rule())["id"])


@example
def show_workload_identity(at: Place) -> Ask:
    return Ask(_workload(at))


@example
def delete_workload_identity(at: Place) -> Ask:
    return Ask(_workload(at))


@example
def log_in_workload(at: Place) -> Ask:
    issuer = issuer_on_loopback()
    at.create(f"{at.path}/workload-identities", _rule(issuer.url))
    issuer.clock = at.stack.clock
    return Ask(at.here(), body={"token": issuer.token(jti=fresh("token"))})


@cache
def issuer_on_loopback() -> Issuer:
    """One for the whole run."""
    opened = ExitStack()
    atexit.register(opened.close)
    return opened.enter_context(issuing())
