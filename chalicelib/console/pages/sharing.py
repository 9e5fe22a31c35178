"""Repositories shared with users of other accounts (G4): the owner's side and the guest's."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from chalicelib.repositories.api import show_repository
from chalicelib.repositories.shares_api import (
    create_share,
    delete_share,
    list_instance_shares,
    list_shared_with_me,
    list_shares,
    show_share,
)

from ..places import here
from ..visit import Visit
from . import Pages

pages = Pages()

_SHARES: Final = "/instances/{instance}/namespaces/{namespace}/repositories/{repository}/shares"


@pages.get("/instances/{instance}/sharing")
def of_instance(visit: Visit) -> Response:
    asked = visit.asked("cursor", "search", "sort")
    return visit.show("sharing/instance.html", page=visit.ask(list_instance_shares, query=asked))


@pages.get(_SHARES)
def of_repository(visit: Visit) -> Response:
    asked = visit.asked("cursor", "search", "sort")
    return visit.show(
        "sharing/repository.html",
        repository=visit.ask(show_repository),
        page=visit.ask(list_shares, query=asked),
    )


@pages.post(_SHARES, again=of_repository)
def share(visit: Visit) -> Response:
    made = visit.ask(create_share, body={name: visit.form.text(name) for name in ("account", "username")}).body
    guest = f"{made.account}/{made.username}"
    return visit.go(here(visit, "shares"), visit.words("%(guest)s may pull now", guest=guest))


@pages.get(_SHARES + "/{share}/delete")
def ask_revoke(visit: Visit) -> Response:
    return visit.show(
        "sharing/revoke.html",
        repository=visit.ask(show_repository),
        share=visit.ask(show_share),
        whole="all" in visit.query or visit.form.yes("all"),
    )


@pages.post(_SHARES + "/{share}/delete", again=ask_revoke)
def revoke(visit: Visit) -> Response:
    visit.ask(delete_share)
    # Back to the list that it was asked for in.
    back = visit.within("sharing") if visit.form.yes("all") else here(visit, "shares")
    return visit.go(back, visit.words("The share is revoked"))


@pages.get("/shared-with-me")
def shared_with_me(visit: Visit) -> Response:
    asked = visit.asked("cursor", "search", "sort")
    return visit.show("sharing/with_me.html", page=visit.ask(list_shared_with_me, query=asked))
