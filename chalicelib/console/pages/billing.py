"""The account's money (I4)."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from chalicelib.billing.api import list_orders, list_top_ups, read_account, top_up

from ..rendering import Shown
from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/billing"
_PER_PAGE: Final = 50


@pages.get(_PATH)
def orders(visit: Visit) -> Response:
    query = visit.asked("search", "kind", "sort", "cursor", limit=_PER_PAGE)
    return visit.show("billing/orders.html", page=visit.ask(list_orders, query=query), account=visit.ask(read_account))


@pages.get(_PATH + "/top-ups")
def top_ups(visit: Visit) -> Response:
    query = visit.asked("search", "sort", "cursor", limit=_PER_PAGE)
    return visit.show(
        "billing/top_ups.html", page=visit.ask(list_top_ups, query=query), account=visit.ask(read_account)
    )


@pages.post(_PATH + "/top-ups", again=top_ups)
def pay_in(visit: Visit) -> Response:
    received = visit.ask(top_up, body=visit.form.given("amount"), once=True)
    paid = Shown(visit.words).money(received.amount)
    return visit.go(f"{_PATH}/top-ups", visit.words("%(amount)s received", amount=paid))
