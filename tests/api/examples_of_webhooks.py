"""Example calls of endpoints about webhooks, by the endpoint's name."""

from __future__ import annotations

from .world import Ask, Place, example

EVENTS = ["image.pushed", "task.finished"]


def _new() -> dict[str, object]:
    return {"url": "https://hooks.example.com/images", "events": EVENTS, "namespaces": "library", "tags": "v*"}


def _webhook(at: Place) -> dict[str, str]:
    """A fresh one; the least that others need of their places goes."""
    for old in at.owner.get(f"{at.path}/webhooks", limit=200).json()["items"]:
        at.owner.delete(f"{at.path}/webhooks/{old['id']}")
    return at.here(webhook=at.create(f"{at.path}/webhooks", _new())["id"])


def _delivery(at: Place) -> dict[str, str]:
    parts = _webhook(at)
    return {**parts, "delivery": at.create(f"{at.path}/webhooks/{parts['webhook']}/test", None)["id"]}


@example
def list_webhooks(at: Place) -> Ask:
    _webhook(at)
    return Ask(at.here(), query={"limit": 1})


@example
def create_webhook(at: Place) -> Ask:
    _webhook(at)
    return Ask(at.here(), body=_new())


@example
def show_webhook(at: Place) -> Ask:
    return Ask(_webhook(at))


@example
def edit_webhook(at: Place) -> Ask:
    return Ask(_webhook(at), body={"description": "the build farm", "repositories": "app*"})


@example
def delete_webhook(at: Place) -> Ask:
    return Ask(_webhook(at))


@example
def rotate_webhook_secret(at: Place) -> Ask:
    return Ask(_webhook(at))


@example
def try_webhook(at: Place) -> Ask:
    return Ask(_webhook(at))


@example
def list_webhook_deliveries(at: Place) -> Ask:
    parts = _delivery(at)
    return Ask(at.here(webhook=parts["webhook"]), query={"state": "pending"})


@example
def show_webhook_delivery(at: Place) -> Ask:
    return Ask(_delivery(at))


@example
def redeliver_webhook_delivery(at: Place) -> Ask:
    return Ask(_delivery(at))
