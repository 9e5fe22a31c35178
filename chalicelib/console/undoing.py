"""How a deletion is taken back."""

from __future__ import annotations

from collections.abc import Collection

from chalicelib.kernel.errors import NotFound, Refused
from chalicelib.recycling.api import list_recycle_bin, restore_recycle_bin_entry
from chalicelib.recycling.models import EntryView

from .visit import Visit

# Entries that one page of the recycle bin has.
_ENTRIES = 200


def entries_of(visit: Visit, kind: str, repository: str, names: Collection[str], instance: str = "") -> list[EntryView]:
    """The recycle bin's newest entries of these names, one a name, in name order: so accelerated versions follow those
    that they belong to. repository: full name of where they were; instance: where the page's path has none."""
    query = {"kind": kind, "search": repository, "limit": _ENTRIES}
    page = visit.ask(list_recycle_bin, query=query, instance=instance or visit.parts["instance"])
    newest: dict[str, EntryView] = {}
    for entry in page.items:
        if entry.repository == repository and entry.name in names:
            newest.setdefault(entry.name, entry)
    return [newest[name] for name in sorted(newest)]


def restore(visit: Visit, entries: Collection[str]) -> int:
    """Those that are still there; how many came back. Raises what the first was refused with that could not, once all
    others are back."""
    restored, refusals = 0, list[Refused]()
    for entry in entries:
        try:
            visit.ask(restore_recycle_bin_entry, entry=entry)
            restored += 1
        except NotFound:
            # It came back along with another, or somebody was quicker.
            continue
        except Refused as refused:
            refusals.append(refused)
    if refusals:
        raise refusals[0]
    return restored
