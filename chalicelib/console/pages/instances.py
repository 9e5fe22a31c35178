"""The account's instances, and opening one (I1, I2)."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from chalicelib.billing.api import quote, read_account
from chalicelib.billing.models import QuoteView
from chalicelib.instances.api import list_instances
from chalicelib.kernel.errors import Refused
from chalicelib.opening.api import list_buckets, open_instance

from ..forms import Form
from ..places import NEW
from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances"
_PER_PAGE: Final = 20
_MOST_BUCKETS: Final = 200
_MONTHS: Final = (*range(1, 13), 24, 36)
# What costs something, and so is asked about before.
_PRICED: Final = ("edition", "months", "namespace_packs", "repository_packs")


def months_offered(visit: Visit) -> list[tuple[str, str]]:
    """Periods to choose from, and how they are called."""
    return [(str(number), visit.words.many("%(num)s month", "%(num)s months", number)) for number in _MONTHS]


@pages.get(_PATH)
def instances(visit: Visit) -> Response:
    query = visit.asked("search", "sort", "cursor", usage=True, limit=_PER_PAGE)
    page = visit.ask(list_instances, query=query)
    going = any(one.state == "releasing" for one in page.items)
    return visit.show("instances/list.html", page=page, going=going)


@pages.get(_PATH + NEW)
def opening(visit: Visit) -> Response:
    """Also the answer to whoever only asks for the price, with what was typed."""
    chosen = {name: visit.form.text(name) or visit.query.get(name, "") for name in _PRICED}
    refused, price = None, None
    try:
        price = _price(visit, chosen)
    except Refused as why:
        refused = why
    buckets = visit.ask(list_buckets, query={"limit": _MOST_BUCKETS})
    return visit.show(
        "instances/new.html",
        buckets=[(bucket.name, bucket.name) for bucket in buckets.items],
        # Others can be named too.
        listed=visit.stack.settings.one_machine and buckets.next is None,
        one_machine=visit.stack.settings.one_machine,
        account=visit.ask(read_account),
        quoted=price,
        price_refused=refused,
        chosen=chosen,
        months_offered=months_offered(visit),
    )


@pages.post(_PATH + NEW, again=opening)
def open_one(visit: Visit) -> Response:
    if visit.form.yes("ask_price"):
        return opening(visit)
    made = visit.ask(open_instance, body=_wanted(visit.form), once=True).body
    notice = visit.words(
        "%(name)s is open. Log in with: docker login -u %(user)s %(address)s",
        name=made.name,
        user=visit.form.text("username"),
        address=visit.told(made.public_address),
    )
    return visit.go(f"{_PATH}/{made.name}", notice)


def _price(visit: Visit, chosen: dict[str, str]) -> QuoteView:
    """Raises Refused."""
    edition = chosen["edition"] or "enterprise"
    given = {name: text for name, text in chosen.items() if text and (edition == "enterprise" or name == "edition")}
    return visit.ask(quote, query=given)


def _wanted(form: Form) -> dict[str, object]:
    wanted: dict[str, object] = {**form.given("name", "edition", "username"), "password": form.secret("password")}
    if form.text("edition") != "enterprise":
        return wanted
    numbers = {name: form.number(name) for name in ("months", "namespace_packs", "repository_packs")}
    bought = {name: number for name, number in numbers.items() if number is not None}
    return {**wanted, **form.given("bucket"), **bought, "auto_renew": form.yes("auto_renew")}
