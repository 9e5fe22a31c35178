"""Every account of this service, for its operator (G5)."""

from __future__ import annotations

from starlette.responses import Response

from chalicelib.accounts.api import change_account, create_account, list_accounts, show_account

from ..visit import ROOT, Visit
from . import Pages

pages = Pages()

_ACCOUNT = "/accounts/{account}"


@pages.get("/accounts")
def accounts(visit: Visit) -> Response:
    page = visit.ask(list_accounts, query=visit.asked("cursor", "search", "sort"))
    return visit.show("accounts/list.html", page=page)


@pages.post("/accounts", again=accounts)
def add(visit: Visit) -> Response:
    form = visit.form
    body = {"name": form.text("name"), "username": form.text("username"), "password": form.secret("password")}
    made = visit.ask(create_account, body=body).body
    return visit.go("/accounts", visit.words("Account %(name)s is there, and its owner may sign in", name=made.name))


@pages.get(_ACCOUNT)
def account(visit: Visit) -> Response:
    return visit.show(
        "accounts/show.html", account=visit.ask(show_account), callback=f"{visit.origin}{ROOT}/sign-in/callback"
    )


@pages.post(_ACCOUNT, again=account)
def change_provider(visit: Visit) -> Response:
    """Whose id tokens it believes. A secret that is not typed stays."""
    form = visit.form
    oidc: dict[str, object] = {name: form.text(f"oidc.{name}") for name in ("issuer", "client_id", "claim")}
    if form.yes("no_secret"):
        oidc["client_secret"] = None
    elif form.secret("oidc.client_secret"):
        oidc["client_secret"] = form.secret("oidc.client_secret")
    visit.ask(change_account, body={"oidc": oidc})
    return visit.go(_at(visit), visit.words("The identity provider is kept"))


@pages.get(_ACCOUNT + "/provider/delete")
def ask_no_provider(visit: Visit) -> Response:
    return visit.show("accounts/no_provider.html", account=visit.ask(show_account))


@pages.post(_ACCOUNT + "/provider/delete", again=ask_no_provider)
def no_provider(visit: Visit) -> Response:
    visit.ask(change_account, body={"oidc": None})
    return visit.go(_at(visit), visit.words("The account trusts no identity provider any more"))


@pages.get(_ACCOUNT + "/suspend")
def ask_suspend(visit: Visit) -> Response:
    return visit.show("accounts/suspend.html", account=visit.ask(show_account))


@pages.post(_ACCOUNT + "/suspend", again=ask_suspend)
def suspend(visit: Visit) -> Response:
    visit.ask(change_account, body={"state": "suspended"})
    return visit.go(_at(visit), visit.words("The account is suspended"), undo=f"{_at(visit)}/resume")


@pages.post(_ACCOUNT + "/resume", again=account)
def resume(visit: Visit) -> Response:
    visit.ask(change_account, body={"state": "running"})
    return visit.go(_at(visit), visit.words("The account runs again; its people sign in anew"))


def _at(visit: Visit) -> str:
    return f"/accounts/{visit.parts['account']}"
