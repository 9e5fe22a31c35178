"""What was deleted: shown, brought back, or freed before its time (X1)."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from chalicelib.edge.answers import Accepted
from chalicelib.kernel.errors import Refused
from chalicelib.recycling.api import (
    delete_recycle_bin_entry,
    list_recycle_bin,
    restore_recycle_bin_entry,
    show_recycle_bin_entry,
    show_recycle_bin_entry_losses,
)

from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/recycle-bin"
_ENTRY: Final = _PATH + "/{entry}"


@pages.get(_PATH)
def entries(visit: Visit) -> Response:
    asked = visit.asked("cursor", "search", "kind", "sort")
    return visit.show("recycle_bin/list.html", page=visit.ask(list_recycle_bin, query=asked))


@pages.get(_ENTRY)
def entry(visit: Visit) -> Response:
    return visit.show("recycle_bin/entry.html", entry=visit.ask(show_recycle_bin_entry), free=_free_name(visit.refused))


@pages.post(_ENTRY + "/restore", again=entry)
def restore(visit: Visit) -> Response:
    name = visit.ask(show_recycle_bin_entry).name
    order: dict[str, Any] = dict(visit.form.given("name"))
    if visit.form.yes("leave_taken"):
        order["leave_taken"] = True
    done = visit.ask(restore_recycle_bin_entry, body=order)
    if isinstance(done, Accepted):
        return visit.go(visit.within("tasks", done.task.id), visit.words("%(name)s is being restored", name=name))
    return visit.go(visit.within("recycle-bin"), visit.words("%(name)s is back", name=order.get("name", name)))


@pages.get(_ENTRY + "/delete")
def ask_delete(visit: Visit) -> Response:
    found, lost = visit.ask(show_recycle_bin_entry), visit.ask(show_recycle_bin_entry_losses)
    return visit.show("recycle_bin/delete.html", entry=found, lost=lost)


@pages.post(_ENTRY + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    name = visit.ask(show_recycle_bin_entry).name
    visit.ask(delete_recycle_bin_entry, query={"confirm": visit.form.text("confirm")})
    return visit.go(visit.within("recycle-bin"), visit.words("%(name)s is gone for good", name=name))


def _free_name(refused: Refused | None) -> str:
    """A name that is free, where the entry's own is taken."""
    found = refused.detail.get("free_name") if refused else None
    return found if isinstance(found, str) else ""
