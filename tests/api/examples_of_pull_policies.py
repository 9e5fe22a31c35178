"""Example calls of endpoints about pull policies, by the endpoint's name."""

from __future__ import annotations

from typing import Any

from .world import Ask, Place, example


@example
def show_pull_policy(at: Place) -> Ask:
    return Ask(at.here(namespace=at.namespace()))


@example
def set_pull_policy(at: Place) -> Ask:
    exception = {"id": "CVE-2024-3094", "reason": "the library is not loaded", "expires_at": "2030-01-31T08:00:00Z"}
    body: dict[str, Any] = {"severity": "critical", "unscanned": "allow", "exceptions": [exception], "version": 0}
    return Ask(at.here(namespace=at.namespace()), body=body)
