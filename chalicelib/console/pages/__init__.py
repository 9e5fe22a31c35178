"""Pages of the console, a module for each part of it, one `Pages` a module.

    pages = Pages()

    @pages.get("/instances/{instance}/allowlist")
    def allowlist(visit: Visit) -> Response:
        return visit.show("allowlist/list.html", page=visit.ask(list_allowlist, query=visit.asked("cursor")))

    @pages.post("/instances/{instance}/allowlist", again=allowlist)
    def add(visit: Visit) -> Response:
        visit.ask(create_allowlist_entry, body=visit.form.given("cidr", "remark"))
        return visit.go(f"/instances/{visit.parts['instance']}/allowlist", _("…"))

again: the page whose form this was. It is shown again where the endpoint refuses, with what was typed and what is
wrong with it. A GET changes nothing. Parts of paths have the names that the API gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from ..visit import Visit

Function = Callable[[Visit], Response]


@dataclass(frozen=True)
class Page:
    """open: also for who has not signed in."""

    method: str
    path: str
    function: Function
    again: Function | None
    open: bool


class Pages:
    def __init__(self) -> None:
        self.all: list[Page] = []

    def get(self, path: str, *, open: bool = False) -> Callable[[Function], Function]:
        return self._add("GET", path, None, open)

    def post(self, path: str, *, again: Function | None = None, open: bool = False) -> Callable[[Function], Function]:
        return self._add("POST", path, again, open)

    def _add(self, method: str, path: str, again: Function | None, open: bool) -> Callable[[Function], Function]:
        def declare(function: Function) -> Function:
            self.all.append(Page(method, path, function, again, open))
            return function

        return declare
