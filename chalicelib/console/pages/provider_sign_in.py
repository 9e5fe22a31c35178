"""Signing in at the account's identity provider (G5): the browser goes there, and comes back with a code.

What binds the way back to this browser (state, nonce, PKCE's verifier) lies in a cookie that no script reads, for ten
minutes and for one attempt.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from starlette.responses import Response

from chalicelib.accounts.api import show_authorization, sign_in
from chalicelib.kernel.errors import Denied, Refused

from ..visit import ROOT, Visit
from . import Pages
from .sessions import opened, sign_in_page, way_back

pages = Pages()

_COOKIE: Final = "crs_sign_in"
_TEN_MINUTES_S: Final = 600
_PATH: Final = "/sign-in/callback"
_NOT_BEGUN: Final = "this sign-in was not begun in this browser, or too long ago; begin again"
_NOT_DONE: Final = "the identity provider did not sign you in; try again, or ask who looks after your account"


@pages.post("/sign-in/provider", again=sign_in_page, open=True)
def leave(visit: Visit) -> Response:
    """To the provider. A page, for browsers send no form on to other sites by our policy."""
    begun = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    account = visit.form.text("account") or "default"
    asked = {
        "account": account,
        "redirect_uri": visit.origin + ROOT + _PATH,
        "state": begun["state"],
        "nonce": begun["nonce"],
        "code_challenge": _challenge(begun["verifier"]),
    }
    url = visit.ask(show_authorization, query=asked).url
    response = visit.show("sessions/provider.html", url=url, host=urlsplit(url).hostname or "")
    response.headers["Refresh"] = f"0; url={url}"
    kept = {**begun, "account": account, "to": way_back(visit.form.text("to"))}
    visit.set_cookie(response, _COOKIE, quote(json.dumps(kept)), _TEN_MINUTES_S)
    return response


@pages.get(_PATH, open=True)
def come_back(visit: Visit) -> Response:
    """With a code, or with why there is none. What is wrong with it is said beside the form to sign in."""
    try:
        response = _signed_in(visit)
    except Refused as refused:
        visit.refused, visit.path, visit.route = refused, "/sign-in", "/sign-in"
        with suppress(Denied):
            visit.query = {name: _kept(visit)[name] for name in ("account", "to")}
        response = sign_in_page(visit)
    response.delete_cookie(_COOKIE, path=ROOT)
    return response


def _signed_in(visit: Visit) -> Response:
    kept = _kept(visit)
    if not hmac.compare_digest(kept["state"].encode(), visit.query.get("state", "").encode()):
        raise Denied(_NOT_BEGUN)
    code = visit.query.get("code", "")
    if not code or "error" in visit.query:
        raise Denied(_NOT_DONE)
    authorization = {
        "code": code,
        "redirect_uri": visit.origin + ROOT + _PATH,
        "code_verifier": kept["verifier"],
        "nonce": kept["nonce"],
    }
    answer = visit.ask(sign_in, body={"account": kept["account"], "authorization": authorization})
    return opened(visit, answer.token, kept["to"])


def _kept(visit: Visit) -> dict[str, str]:
    """What this browser began with. Raises Denied."""
    try:
        kept: Any = json.loads(unquote(visit.cookies.get(_COOKIE, "")))
    except ValueError as nothing:
        raise Denied(_NOT_BEGUN) from nothing
    wanted = ("state", "nonce", "verifier", "account", "to")
    if not isinstance(kept, dict) or not all(isinstance(kept.get(name), str) and kept[name] for name in wanted):
        raise Denied(_NOT_BEGUN)
    return {name: str(kept[name]) for name in wanted}


def _challenge(verifier: str) -> str:
    """RFC 7636 §4.2, S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
