"""What a deletion would take along, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from chalicelib.kernel.errors import ConfirmationRequired, NotFound
from chalicelib.recycling.api import list_recycle_bin, restore_recycle_bin_entry
from chalicelib.recycling.models import EntryView

from .visit import Visit

# Entries that one page of the recycle bin has.
_ENTRIES = 200


def losses(visit: Visit, deletion: Callable[..., Any]) -> Mapping[str, Any]:
    """What that endpoint would delete, as it counts it for who has not confirmed: nothing is deleted."""
    try:
        visit.ask(deletion)
    except ConfirmationRequired as warning:
        return warning.detail
    raise RuntimeError("it deletes without being confirmed")


def entries_of(visit: Visit, kind: str, repository: str, names: Collection[str]) -> list[EntryView]:
    """The recycle bin's newest entries of these names, one a name, in name order: so accelerated versions follow those
    that they belong to. repository: full name of where they were."""
    page = visit.ask(list_recycle_bin, query={"kind": kind, "search": repository, "limit": _ENTRIES})
    newest: dict[str, EntryView] = {}
    for entry in page.items:
        if entry.repository == repository and entry.name in names:
            newest.setdefault(entry.name, entry)
    return [newest[name] for name in sorted(newest)]


def restore(visit: Visit, entries: Collection[str]) -> int:
    """Those that are still there; how many came back. Raises Refused where nothing can."""
    restored = 0
    for entry in entries:
        # It came back along with another, or somebody was quicker.
        with suppress(NotFound):
            visit.ask(restore_recycle_bin_entry, entry=entry)
            restored += 1
    return restored
