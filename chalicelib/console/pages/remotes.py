"""Registries elsewhere that an instance knows, and whether they answer (Y1)."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from chalicelib.remotes.api import create_remote, delete_remote, edit_remote, list_remotes, show_remote, try_remote

from ..visit import Visit
from . import Pages

pages = Pages()

_PATH: Final = "/instances/{instance}/remotes"
_REMOTE: Final = _PATH + "/{remote}"


@pages.get(_PATH)
def remotes(visit: Visit) -> Response:
    return visit.show("remotes/list.html", page=visit.ask(list_remotes, query=visit.asked("cursor", "search", "sort")))


@pages.get(_PATH + "/new")
def new(visit: Visit) -> Response:
    return visit.show("remotes/new.html")


@pages.post(_PATH + "/new", again=new)
def create(visit: Visit) -> Response:
    body = {**visit.form.given("name", "address", "username", "remark"), "password": visit.form.secret("password")}
    made = visit.ask(create_remote, body=body).body
    return visit.go(visit.within("remotes", made.id, "test"), visit.words("%(name)s is known now", name=made.name))


@pages.get(_REMOTE + "/edit")
def ask_edit(visit: Visit) -> Response:
    return visit.show("remotes/edit.html", remote=visit.ask(show_remote))


@pages.post(_REMOTE + "/edit", again=ask_edit)
def edit(visit: Visit) -> Response:
    body: dict[str, Any] = {name: visit.form.text(name) for name in ("name", "address", "username", "remark")}
    if visit.form.secret("password") or visit.form.yes("no_password"):
        body["password"] = visit.form.secret("password")
    changed = visit.ask(edit_remote, body=body)
    return visit.go(visit.within("remotes"), visit.words("%(name)s was changed", name=changed.name))


@pages.get(_REMOTE + "/test")
def ask_test(visit: Visit) -> Response:
    return visit.show("remotes/test.html", remote=visit.ask(show_remote), found=None)


@pages.post(_REMOTE + "/test", again=ask_test)
def test(visit: Visit) -> Response:
    """Shows what came of it at once: nothing was changed that a reload could change twice."""
    return visit.show("remotes/test.html", remote=visit.ask(show_remote), found=visit.ask(try_remote))


@pages.get(_REMOTE + "/delete")
def ask_delete(visit: Visit) -> Response:
    return visit.show("remotes/delete.html", remote=visit.ask(show_remote))


@pages.post(_REMOTE + "/delete", again=ask_delete)
def delete(visit: Visit) -> Response:
    remote = visit.ask(show_remote)
    visit.ask(delete_remote)
    return visit.go(visit.within("remotes"), visit.words("%(name)s was deleted", name=remote.name))
