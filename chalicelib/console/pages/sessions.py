"""Signing in and out; language and theme."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from starlette.responses import RedirectResponse, Response

from chalicelib.accounts.api import sign_in, sign_out
from chalicelib.kernel.errors import Unauthenticated

from ..texts import LANGUAGES
from ..visit import LANGUAGE_COOKIE, NOTICE_COOKIE, ROOT, SESSION_COOKIE, THEME_COOKIE, Visit
from . import Pages

pages = Pages()

# As long as a session lives at most; it may end before.
_SESSION_S: Final = 12 * 3600
_A_YEAR_S: Final = 365 * 24 * 3600
_THEMES: Final = frozenset({"light", "dark", ""})


@pages.get("/sign-in", open=True)
def sign_in_page(visit: Visit) -> Response:
    """Account and way back may be in the address: a link to it is how an organisation sends its people here."""
    back = way_back(visit.form.text("to") or visit.query.get("to", ""))
    return visit.show("sessions/sign_in.html", back=back, account=visit.query.get("account") or "default")


@pages.post("/sign-in", again=sign_in_page, open=True)
def signing_in(visit: Visit) -> Response:
    form = visit.form
    answer = visit.ask(
        sign_in,
        body={
            "account": form.text("account") or "default",
            "username": form.text("username"),
            "password": form.secret("password"),
        },
    )
    return opened(visit, answer.token, form.text("to"))


def opened(visit: Visit, token: str, to: str) -> Response:
    """To where the reader was going, with the session that was opened."""
    response = RedirectResponse(way_back(to), 303)
    visit.set_cookie(response, SESSION_COOKIE, token, _SESSION_S)
    return response


@pages.post("/sign-out", open=True)
def signing_out(visit: Visit) -> Response:
    # It may be over already.
    with suppress(Unauthenticated):
        visit.ask(sign_out)
    response = visit.go("/sign-in")
    for name in (SESSION_COOKIE, NOTICE_COOKIE):
        response.delete_cookie(name, path=ROOT)
    return response


@pages.post("/preferences", open=True)
def preferences(visit: Visit) -> Response:
    """Language and theme, kept by the browser."""
    response = RedirectResponse(way_back(visit.form.text("to")), 303)
    language, theme = visit.form.text("language"), visit.form.text("theme", "-")
    if language in LANGUAGES:
        visit.set_cookie(response, LANGUAGE_COOKIE, language, _A_YEAR_S)
    if theme in _THEMES:
        visit.set_cookie(response, THEME_COOKIE, theme, _A_YEAR_S)
    return response


def way_back(path: str) -> str:
    """A page of the console; anything else would let others send people elsewhere by a link to our sign-in."""
    inside = path.startswith(f"{ROOT}/") and path.isprintable() and "\\" not in path
    return path if inside else f"{ROOT}/"
