"""Example calls of endpoints about money and about who did what, by the endpoint's name."""

from __future__ import annotations

from .world import Ask, Place, example


@example
def quote(_at: Place) -> Ask:
    return Ask(query={"edition": "enterprise", "months": 3, "namespace_packs": 2})


@example
def read_account(_at: Place) -> Ask:
    return Ask()


@example
def list_top_ups(_at: Place) -> Ask:
    return Ask()


@example
def top_up(_at: Place) -> Ask:
    return Ask(body={"amount": 12.5})


@example
def list_orders(_at: Place) -> Ask:
    return Ask(query={"limit": 1})


def _money(at: Place) -> None:
    at.create("/account/top-ups", {"amount": 10_000})


@example
def renew_instance(at: Place) -> Ask:
    _money(at)
    return Ask(at.here(), body={"months": 1})


@example
def quote_renewal(at: Place) -> Ask:
    return Ask(at.here(), query={"months": 1})


@example
def quote_quota_packs(at: Place) -> Ask:
    return Ask(at.here(), query={"namespace_packs": 2})


@example
def add_quota_packs(at: Place) -> Ask:
    _money(at)
    return Ask(at.here(), body={"namespace_packs": 1})


@example
def list_audit_events(at: Place) -> Ask:
    at.repository()
    return Ask(at.here(), query={"object_type": "repository", "from": "2026-01-01T00:00:00Z"})


@example
def list_account_audit_events(_at: Place) -> Ask:
    return Ask(query={"keyword": "own"})


@example
def export_audit_events(at: Place) -> Ask:
    return Ask(at.here(), query={"format": "csv"})


@example
def export_account_audit_events(_at: Place) -> Ask:
    return Ask(query={"format": "jsonl"})
