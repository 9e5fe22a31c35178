"""From where an instance is reached at its public address (G2)."""

from __future__ import annotations

from starlette.responses import Response

from chalicelib.access.api import create_allowlist_entry, delete_allowlist_entry, list_allowlist, show_allowlist_entry

from ..visit import Visit
from . import Pages

pages = Pages()

_PATH = "/instances/{instance}/allowlist"


@pages.get(_PATH)
def allowlist(visit: Visit) -> Response:
    checked = visit.query.get("check", "").strip() or visit.address
    return visit.show(
        "allowlist/list.html",
        page=visit.ask(list_allowlist, query=visit.asked("cursor", "search", "check", check=checked)),
        checked=checked,
    )


@pages.post(_PATH, again=allowlist)
def add(visit: Visit) -> Response:
    made = visit.ask(create_allowlist_entry, body=visit.form.given("cidr", "remark"))
    return visit.go(visit.within("allowlist"), visit.words("%(network)s gets in now", network=made.body.cidr))


@pages.get(_PATH + "/{entry}/delete")
def ask_delete(visit: Visit) -> Response:
    return visit.show("allowlist/delete.html", entry=visit.ask(show_allowlist_entry))


@pages.post(_PATH + "/{entry}/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    visit.ask(delete_allowlist_entry, query={"confirm": visit.form.text("confirm")})
    return visit.go(visit.within("allowlist"), visit.words("The network is off the list"))
