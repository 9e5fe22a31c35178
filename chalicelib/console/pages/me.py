"""Who is signed in: rights, password, and the keys of their programs (G5)."""

from __future__ import annotations

from datetime import datetime

from starlette.responses import Response

from chalicelib.accounts.api import (
    change_access_key,
    change_me,
    create_access_key,
    delete_access_key,
    list_access_keys,
    show_access_key,
)
from chalicelib.instances.api import list_instances

from ..visit import Visit
from . import Pages

pages = Pages()

_KEYS = "/me/access-keys"
_KEY = _KEYS + "/{key}"
# Of whose addresses the login is shown.
_MOST_INSTANCES = 10


@pages.get("/me")
def me(visit: Visit) -> Response:
    return visit.show("me/me.html")


@pages.post("/me", again=me)
def change_password(visit: Visit) -> Response:
    form = visit.form
    visit.ask(change_me, body={name: form.secret(name) for name in ("current_password", "password")})
    return visit.go("/me", visit.words("The new password holds. Your other sessions are over."))


@pages.get(_KEYS)
def access_keys(visit: Visit) -> Response:
    """One's own; for who may read users those of the whole account, if asked for."""
    whose = visit.query.get("whose", "") if visit.may("read_users") else ""
    username = "" if whose == "all" else visit.me.username
    query = visit.asked("cursor", "search", "sort", username=username, sort="-created_at")
    return visit.show("me/access_keys.html", page=visit.ask(list_access_keys, query=query), now=visit.stack.clock.now())


@pages.post(_KEYS, again=access_keys)
def make_key(visit: Visit) -> Response:
    """The page with the secret, which no later one shows."""
    body = {"remark": visit.form.text("remark"), "expires_at": visit.form.moment("expires_at")}
    made = visit.ask(create_access_key, body=body).body
    instances = visit.ask(list_instances, query={"limit": _MOST_INSTANCES}).items if visit.may("read_content") else ()
    return visit.show("me/new_key.html", key=made, instances=instances)


@pages.get(_KEY)
def access_key(visit: Visit) -> Response:
    key = visit.ask(show_access_key)
    return visit.show("me/access_key.html", key=key, expires_at=_as_shown(key.expires_at))


@pages.post(_KEY, again=access_key)
def change_key(visit: Visit) -> Response:
    """Remark and expiry by the key's page; on or off by the list's buttons."""
    form = visit.form
    if "enabled" in form:
        changed = visit.ask(change_access_key, body={"enabled": form.yes("enabled")})
        said = visit.words("The access key is on") if changed.enabled else visit.words("The access key is off")
        return visit.go(_KEYS, said)
    body: dict[str, object] = {"remark": form.text("remark")}
    # What the field showed is the minute alone, and may be over by now: left as it was, it stays.
    if form.text("expires_at") != _as_shown(visit.ask(show_access_key).expires_at):
        body["expires_at"] = form.moment("expires_at")
    visit.ask(change_access_key, body=body)
    return visit.go(_KEYS, visit.words("The access key is changed"))


@pages.get(_KEY + "/delete")
def ask_delete(visit: Visit) -> Response:
    return visit.show("me/delete_key.html", key=visit.ask(show_access_key))


@pages.post(_KEY + "/delete", again=ask_delete)
def delete_key(visit: Visit) -> Response:
    visit.ask(delete_access_key)
    return visit.go(_KEYS, visit.words("The access key is deleted"))


def _as_shown(moment: datetime | None) -> str:
    """In a field for times, in UTC."""
    return f"{moment:%Y-%m-%dT%H:%M}" if moment else ""
