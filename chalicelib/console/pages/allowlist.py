"""From where an instance is reached at its public address (G2)."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from chalicelib.access.api import create_allowlist_entry, delete_allowlist_entry, list_allowlist, show_allowlist_entry
from chalicelib.access.models import AllowlistAnswer
from chalicelib.kernel.errors import Invalid

from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/allowlist"
# What the API wants to hear before the last entry goes.
_OPEN_TO_EVERYONE: Final = "open-to-everyone"


@pages.get(_PATH)
def allowlist(visit: Visit) -> Response:
    checked = visit.query.get("check", "").strip() or visit.address
    asked = visit.asked("cursor", "search", "sort")
    try:
        page = visit.ask(list_allowlist, query={**asked, "check": checked})
    except Invalid as refused:
        if "check" not in visit.query:
            raise
        visit.refused = refused
        page = visit.ask(list_allowlist, query={**asked, "check": visit.address})
    return visit.show("allowlist/list.html", page=page, checked=checked)


@pages.post(_PATH, again=allowlist)
def add(visit: Visit) -> Response:
    """Asks before, where the reader would lock themselves out."""
    network = visit.form.text("cidr")
    if network and not visit.form.yes("sure"):
        now, then = _own(visit), _own(visit, adding=network)
        if now.allowed and not then.allowed:
            return visit.show("allowlist/lockout.html", network=network, remark=visit.form.text("remark"))
    made = visit.ask(create_allowlist_entry, body=visit.form.given("cidr", "remark"))
    return visit.go(visit.within("allowlist"), visit.words("%(network)s gets in now", network=made.body.cidr))


@pages.get(_PATH + "/{entry}/delete")
def ask_delete(visit: Visit) -> Response:
    entry = visit.ask(show_allowlist_entry)
    now, then = _own(visit), _own(visit, without=entry.id)
    return visit.show(
        "allowlist/delete.html",
        entry=entry,
        last=now.total == 1,
        locked_out=now.allowed and not then.allowed,
        word=_OPEN_TO_EVERYONE,
    )


@pages.post(_PATH + "/{entry}/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    visit.ask(delete_allowlist_entry, query={"confirm": visit.form.text("confirm")})
    return visit.go(visit.within("allowlist"), visit.words("The network is off the list"))


def _own(visit: Visit, **change: str) -> AllowlistAnswer:
    """Whether the reader's own address gets in, now or after a change."""
    return visit.ask(list_allowlist, query={"check": visit.address, "limit": 1, **change})
