"""What of an instance may be changed: auto-renewal, quota packs, its period, its being there at all (I4, I5)."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from chalicelib.billing.api import add_quota_packs, quote_quota_packs, quote_renewal, read_account, renew_instance
from chalicelib.billing.models import OrderQuoteView
from chalicelib.closing.api import delete_instance, show_instance_losses
from chalicelib.instances.api import edit_instance
from chalicelib.kernel.errors import Invalid, Refused

from ..rendering import Shown
from ..visit import Visit
from . import Pages
from .instances import months_offered

pages = Pages()

_PATH: Final = "/instances/{instance}/settings"
_RENEW: Final = "/instances/{instance}/renew"
_DELETE: Final = "/instances/{instance}/delete"
_PACKS: Final = ("namespace_packs", "repository_packs")


@pages.get(_PATH)
def settings(visit: Visit) -> Response:
    """With the price of further packs, once some are chosen."""
    chosen = {name: visit.form.text(name) or visit.query.get(name, "") for name in _PACKS}
    price, refused = None, None
    if visit.may("change_billing") and any(text not in ("", "0") for text in chosen.values()):
        price, refused = _price_of_packs(visit, chosen)
    return visit.show(
        "settings/settings.html",
        account=visit.ask(read_account) if visit.may("read_billing") else None,
        chosen=chosen,
        quoted=price,
        price_refused=refused,
    )


@pages.post(_PATH, again=settings)
def change(visit: Visit) -> Response:
    renews = visit.ask(edit_instance, body={"auto_renew": visit.form.yes("auto_renew")}).auto_renew
    told = visit.words("It renews itself now") if renews else visit.words("It does not renew itself any more")
    return visit.go(visit.within("settings"), told)


@pages.post(_PATH + "/packs", again=settings)
def order_packs(visit: Visit) -> Response:
    numbers = {name: visit.form.number(name) for name in _PACKS}
    wanted = {name: number for name, number in numbers.items() if number is not None}
    bought = visit.ask(add_quota_packs, body=wanted, once=True)
    paid = Shown(visit.words).money(bought.order.amount)
    return visit.go(visit.within("settings"), visit.words("The quotas have risen; %(amount)s paid", amount=paid))


@pages.get(_RENEW)
def renewal(visit: Visit) -> Response:
    months = visit.form.text("months") or visit.query.get("months", "") or "1"
    price, refused = None, None
    try:
        price = visit.ask(quote_renewal, query={"months": months})
    except Refused as why:
        refused = why
    return visit.show(
        "settings/renew.html",
        months=months,
        months_offered=months_offered(visit),
        quoted=price,
        price_refused=refused,
        account=visit.ask(read_account),
    )


@pages.post(_RENEW, again=renewal)
def renew(visit: Visit) -> Response:
    number = visit.form.number("months")
    bought = visit.ask(renew_instance, body={} if number is None else {"months": number}, once=True)
    until = f"{bought.expires_at:%Y-%m-%d}" if bought.expires_at else ""
    return visit.go(visit.within(), visit.words("%(name)s runs until %(day)s", name=bought.name, day=until))


@pages.get(_DELETE)
def ask_delete(visit: Visit) -> Response:
    return visit.show("settings/delete.html", lost=visit.ask(show_instance_losses))


@pages.post(_DELETE, again=ask_delete)
def delete(visit: Visit) -> Response:
    name = visit.instance.name
    if visit.form.text("confirm") != name:
        raise Invalid("confirm", visit.words("This is not its name"))
    visit.ask(delete_instance, query={"confirm": name})
    return visit.go("/instances", visit.words("%(name)s is being deleted", name=name))


def _price_of_packs(visit: Visit, chosen: dict[str, str]) -> tuple[OrderQuoteView | None, Refused | None]:
    try:
        return visit.ask(quote_quota_packs, query={name: text for name, text in chosen.items() if text}), None
    except Refused as why:
        return None, why
