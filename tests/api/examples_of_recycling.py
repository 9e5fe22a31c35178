"""Example calls of the recycle bin's endpoints, by their name."""

from __future__ import annotations

from typing import Any

from .world import Ask, Place, example


def _entry(at: Place) -> dict[str, Any]:
    """A deleted tag's."""
    image = at.image()
    path = f"{at.path}/namespaces/{image.namespace}/repositories/{image.repository.id}/tags/{image.tag}"
    answer = at.owner.delete(path)
    assert answer.status == 200, answer.text
    found = at.owner.get(f"{at.path}/recycle-bin", search=image.repository.name, kind="tag")
    entry: dict[str, Any] = found.json()["items"][0]
    return entry


@example
def list_recycle_bin(at: Place) -> Ask:
    return Ask(at.here(), query={"kind": "tag", "search": "app", "limit": 2})


@example
def show_recycle_bin_entry(at: Place) -> Ask:
    return Ask(at.here(entry=_entry(at)["id"]))


@example
def restore_recycle_bin_entry(at: Place) -> Ask:
    return Ask(at.here(entry=_entry(at)["id"]), body={"name": "stable-2"})


@example
def show_recycle_bin_entry_losses(at: Place) -> Ask:
    return Ask(at.here(entry=_entry(at)["id"]))


@example
def delete_recycle_bin_entry(at: Place) -> Ask:
    entry = _entry(at)
    return Ask(at.here(entry=entry["id"]), query={"confirm": entry["name"]})
