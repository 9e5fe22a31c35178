"""The people of the account: roles and passwords (G5)."""

from __future__ import annotations

from starlette.responses import Response

from chalicelib.accounts.api import change_user, create_user, delete_user, list_access_keys, list_users, show_user

from ..visit import Visit
from . import Pages

pages = Pages()

_USER = "/users/{user}"
_MOST_KEYS = 50


@pages.get("/users")
def users(visit: Visit) -> Response:
    return visit.show("users/list.html", page=visit.ask(list_users, query=visit.asked("cursor", "search", "sort")))


@pages.post("/users", again=users)
def add(visit: Visit) -> Response:
    form = visit.form
    body = {"username": form.text("username"), "password": form.secret("password"), "role": form.text("role")}
    made = visit.ask(create_user, body=body).body
    return visit.go("/users", visit.words("%(name)s may sign in now", name=made.username))


@pages.get(_USER)
def user(visit: Visit) -> Response:
    """With the user's access keys."""
    found = visit.ask(show_user)
    keys = visit.ask(list_access_keys, query={"username": found.username, "limit": _MOST_KEYS})
    return visit.show("users/show.html", user=found, keys=keys, now=visit.stack.clock.now())


@pages.post(_USER, again=user)
def change(visit: Visit) -> Response:
    """A role, or a password: each has a form of its own."""
    form = visit.form
    body: dict[str, object] = {"role": form.text("role")} if "role" in form else {"password": form.secret("password")}
    changed = visit.ask(change_user, body=body)
    told = visit.words("%(name)s is changed; their sessions are over", name=changed.username)
    return visit.go("/users", told)


@pages.get(_USER + "/delete")
def ask_delete(visit: Visit) -> Response:
    found = visit.ask(show_user)
    keys = visit.ask(list_access_keys, query={"username": found.username, "limit": _MOST_KEYS})
    return visit.show("users/delete.html", user=found, keys=keys)


@pages.post(_USER + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    visit.ask(delete_user)
    return visit.go("/users", visit.words("%(name)s is deleted", name=visit.parts["user"]))
