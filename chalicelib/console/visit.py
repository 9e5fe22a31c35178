"""One request of a browser, and what a page answers.

visit.ask(list_tags, query={…})   an endpoint's answer; parts of this page's own path are passed on to it
visit.show("tags/list.html", …)   the page; for htmx the one block that it wants to replace
visit.go(path, _("Deleted"))      after a change: see other, with a notice there
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote, urlencode

from starlette.responses import RedirectResponse, Response

from chalicelib.accounts.api import show_me
from chalicelib.accounts.shapes import MeView
from chalicelib.edge.replay import KeySpent
from chalicelib.instances.api import read_instance
from chalicelib.instances.models import InstanceView
from chalicelib.kernel.errors import Refused
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.roles import Right
from chalicelib.ports.stack import Stack

from . import reach
from .asking import Asking
from .forms import Form
from .rendering import Templates
from .texts import Words

T = TypeVar("T")

ROOT: Final = "/console"
SESSION_COOKIE: Final = "crs_session"
NOTICE_COOKIE: Final = "crs_notice"
LANGUAGE_COOKIE: Final = "crs_language"
THEME_COOKIE: Final = "crs_theme"
# Of a cookie as it is sent: browsers drop those beyond 4 KB, silently. A sign of Chinese takes nine.
_LONGEST_NOTICE_BYTES: Final = 3600


@dataclass
class Visit:
    """
    path      of the page, below `/console`: `/instances/dev/tasks`
    route     the same with its parameters' names: `/instances/{instance}/tasks`
    parts     of the path: {"instance": "dev"}
    query     parameters of the address, the last of each name
    form      what was sent; empty for a GET
    refused   why what this page sent was not carried out; its form is shown again, with what was typed
    fragment  id of the element that htmx wants to replace; "" for a whole page; partial: htmx asks
    address   of the browser; secure: it speaks TLS to us or to our proxy; origin: `https://host`, as it was called
    port      of our listener that it came in on
    form_path the page whose form was sent; "" for a GET, or where nobody knows
    """

    asking: Asking
    stack: Stack
    templates: Templates
    words: Words
    method: str
    path: str
    route: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    form: Form
    cookies: Mapping[str, str]
    request_id: str
    fragment: str
    partial: bool
    address: str
    origin: str
    secure: bool
    signed_in: bool
    port: int
    form_path: str = ""
    refused: Refused | None = None
    _labels: dict[str, str] = field(default_factory=dict, init=False)
    _me: MeView | None = field(default=None, init=False)
    _instance: InstanceView | None = field(default=None, init=False)

    # What the page asks ------------------------------------------------------------------------------------------

    def ask(
        self,
        function: Callable[..., T],
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        once: bool = False,
        **parts: str,
    ) -> T:
        """What that endpoint answers to this user. parts: of its path, beyond those of the page's. Raises Refused.

        once: of a form with `ui.once`, which is carried out once however often it is sent.
        """
        key = self.form.text("once") if once else ""
        return self.asking.ask(function, {**self.parts, **parts}, query, body, key)

    def asked(self, *names: str, **otherwise: object) -> dict[str, object]:
        """Parameters of the address by name, without empty ones, for an endpoint's query; `limit=100` as it stands."""
        given = {name: text for name in names if (text := self.query.get(name, "").strip())}
        return {**otherwise, **given}

    @property
    def instance(self) -> InstanceView:
        """What {instance} of the page's path means. Raises NotFound, AddressNotAllowed …"""
        if self._instance is None:
            self._instance = self.ask(read_instance)
        return self._instance

    @property
    def me(self) -> MeView:
        """Who is signed in. Raises Unauthenticated."""
        if self._me is None:
            self._me = self.ask(show_me)
        return self._me

    def may(self, right: Right | str) -> bool:
        """Whether to offer something. Whoever does it anyway is refused by the endpoint."""
        wanted = right if isinstance(right, Right) else Right[right.upper()]
        return self.me.operator if wanted is Right.OPERATE else wanted in self.me.rights

    # What it answers ---------------------------------------------------------------------------------------------

    def show(self, template: str, **values: Any) -> Response:
        """The page, or of it what htmx wants. 4xx where something that it sent was refused."""
        status = self.refused.status if self.refused else 200
        page = self.templates.render(self, template, values)
        response = Response(page, status, media_type="text/html")
        if NOTICE_COOKIE in self.cookies:
            response.delete_cookie(NOTICE_COOKIE, path=ROOT)
        return response

    def within(self, *parts: str) -> str:
        """A page of this instance, for `go`: `within("tasks", task.id)`."""
        return "/" + "/".join(quote(part, safe="") for part in ("instances", self.parts["instance"], *parts))

    def go(self, path: str, notice: str = "", undo: str = "") -> Response:
        """See other: a page below `/console`. undo: the path that a POST takes it back with."""
        response = RedirectResponse(ROOT + path, 303)
        if notice:
            self.set_cookie(response, NOTICE_COOKIE, fitting(notice, undo), max_age=60)
        return response

    def set_cookie(self, response: Response, name: str, value: str, max_age: int) -> None:
        """One that no script reads and no other site sends along."""
        response.set_cookie(name, value, max_age=max_age, path=ROOT, secure=self.secure, httponly=True, samesite="lax")

    # What templates read -----------------------------------------------------------------------------------------

    @property
    def notice(self) -> Mapping[str, str] | None:
        """What the page before left for this one to say: `text`, `undo`."""
        try:
            told = json.loads(unquote(self.cookies.get(NOTICE_COOKIE, "")))
        except ValueError:
            return None
        if not isinstance(told, dict) or not isinstance(told.get("text"), str):
            return None
        undo = told.get("undo", "")
        return {"text": told["text"], "undo": undo if isinstance(undo, str) and undo.startswith("/") else ""}

    @property
    def theme(self) -> str:
        """`light`, `dark`, or "" for what the reader's system says."""
        chosen = self.cookies.get(THEME_COOKIE, "")
        return chosen if chosen in ("light", "dark") else ""

    def told(self, text: str) -> str:
        """An address or a command, as this reader's clients reach the instance that it names."""
        return reach.told(self, text)

    def hosts_line(self, address: str) -> str:
        """What makes the name in an address known to clients; "" where that needs nothing."""
        return reach.hosts_line(self, address)

    def typed(self, name: str, otherwise: object = "") -> str:
        """What a field shows: what was typed into it, if that was refused; else what it is now."""
        if self.refused is not None and name in self.form:
            return self.form.text(name)
        return "" if otherwise is None else str(otherwise)

    @property
    def once(self) -> str:
        """What tells one form from every other: a new one, but where a form is shown again that may be sent again."""
        sent = self.form.text("once")
        return sent if sent and self.refused is not None and not self.spent else new_id()

    @property
    def spent(self) -> bool:
        """This form was sent before, with other values or nobody knows to what end."""
        return isinstance(self.refused, KeySpent)

    def ticked(self, name: str, otherwise: bool = False) -> bool:
        return self.form.yes(name) if self.refused is not None else otherwise

    def kept_back(self, name: str) -> bool:
        """Whether a secret was typed that the form, shown again, does not show."""
        return self.refused is not None and self.form.secret(name) != ""

    def named(self, name: str, label: str) -> str:
        """Notes what readers call a field; shows nothing."""
        self._labels.setdefault(name, label)
        return ""

    def called(self, name: str) -> str:
        """A field as its label calls it, once that is shown; else as the API does."""
        return self._labels.get(name, name)

    def complaint(self, name: str) -> str:
        """What is wrong with a field, in the reader's language; "" if nothing is."""
        found = [message for field, message in (self.refused.fields if self.refused else ()) if field == name]
        return "; ".join(self.words.said(message) for message in found)

    @property
    def way_back(self) -> str:
        """Where this page is found again, such as in another language; for a form that was sent, the form's page."""
        if self.method == "GET" or self.path == self.form_path:
            return self.here(cursor=self.query.get("cursor"))
        return ROOT + quote(self.form_path) if self.form_path else ""

    def here(self, **changed: object) -> str:
        """This page's address with parameters changed; None or "" takes one away. A changed list begins anew."""
        wanted = {**self.query, **({} if "cursor" in changed else {"cursor": ""}), **changed}
        query = urlencode({name: str(value) for name, value in wanted.items() if value not in (None, "")})
        return ROOT + quote(self.path) + (f"?{query}" if query else "")


def fitting(notice: str, undo: str) -> str:
    """Both as a cookie's value, the notice shortened until it is one that browsers keep."""
    told = quote(json.dumps({"text": notice, "undo": undo}, ensure_ascii=False))
    if len(told) <= _LONGEST_NOTICE_BYTES or not notice:
        return told
    return fitting(notice[: len(notice) * _LONGEST_NOTICE_BYTES // len(told)], undo)
