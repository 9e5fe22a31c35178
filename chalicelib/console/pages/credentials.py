"""Registry user names and passwords of an instance: the primary one, robots, and those that workloads got (G3, X4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from starlette.responses import Response

from chalicelib.credentials.api import (
    create_credential,
    delete_credential,
    list_credentials,
    reset_credential_password,
    show_credential,
)
from chalicelib.credentials.shapes import SecretView
from chalicelib.kernel.moment import to_text
from chalicelib.namespaces.api import list_namespaces

from .. import permissions
from ..logins import choices, login
from ..places import NEW
from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/credentials"
_ONE: Final = _PATH + "/{username}"
# Namespaces that a robot's form suggests.
_OFFERED: Final = 200


@pages.get(_PATH)
def credentials(visit: Visit) -> Response:
    page = visit.ask(list_credentials, query=visit.asked("cursor", "search", "sort", "kind"))
    if visit.fragment == "list":
        return visit.show("credentials/list.html", page=page)
    found = visit.ask(list_credentials, query={"kind": "primary", "limit": 1}).items
    primary = found[0] if found else None
    return visit.show(
        "credentials/list.html",
        page=page,
        primary=primary,
        login=login(visit, primary.username) if primary else None,
        choices=choices,
    )


@pages.get(_PATH + NEW)
def new(visit: Visit) -> Response:
    namespaces = visit.ask(list_namespaces, query={"limit": _OFFERED}).items
    return visit.show(
        "credentials/new.html", rows=permissions.rows(visit.form), actions=permissions.ACTIONS, namespaces=namespaces
    )


@pages.post(_PATH + NEW, again=new)
def create(visit: Visit) -> Response:
    """The password is shown this once, so there is no page to go to."""
    form = visit.form = permissions.renumbered(visit.form)
    if permissions.asks_for_more(form):
        return new(visit)
    order = {"username": form.text("username"), "permissions": permissions.given(form), "expires_at": _end(visit)}
    return _secret(visit, visit.ask(create_credential, body=order).body)


def _end(visit: Visit) -> object:
    """The date that was typed, or so many days from now; None for a credential that does not end."""
    days = visit.form.number("days")
    typed = visit.form.moment("expires_at")
    if typed is not None or not isinstance(days, int):
        return typed
    return to_text(visit.stack.clock.now() + timedelta(days=min(days, 3650)))


@pages.get(_ONE)
def credential(visit: Visit) -> Response:
    shown = visit.ask(show_credential)
    return visit.show("credentials/show.html", credential=shown, login=login(visit, shown.username), choices=choices)


@pages.get(_ONE + "/reset")
def ask_reset(visit: Visit) -> Response:
    return visit.show("credentials/reset.html", credential=visit.ask(show_credential))


@pages.post(_ONE + "/reset", again=ask_reset)
def reset(visit: Visit) -> Response:
    chosen = visit.form.secret("password")
    changed = visit.ask(reset_credential_password, body={"password": chosen} if chosen else {})
    if changed.password is None:
        return visit.go(visit.within("credentials", changed.username), visit.words("The new password is in force"))
    return _secret(visit, changed)


@pages.get(_ONE + "/delete")
def ask_delete(visit: Visit) -> Response:
    return visit.show("credentials/delete.html", credential=visit.ask(show_credential))


@pages.post(_ONE + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    visit.ask(delete_credential)
    gone = visit.words("%(name)s cannot log in any more", name=visit.parts["username"])
    return visit.go(visit.within("credentials"), gone)


def _secret(visit: Visit, made: SecretView) -> Response:
    return visit.show("credentials/secret.html", made=made, login=login(visit, made.username, made.password or ""))
