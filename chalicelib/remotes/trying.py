"""Whether a remote answers, is a registry, and takes the login: what `docker login` asks, and no more."""

from __future__ import annotations

import time
from typing import Final, Literal
from urllib.parse import urlencode

import httpx

from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import Conflict, Invalid, Unavailable
from chalicelib.ports.outbound import Outbound, Streamed, outbound
from chalicelib.ports.remote_login import Challenge, Login, is_its_own
from chalicelib.ports.stack import Stack

from .models import Remote, RemoteTest
from .service import Remotes

_Result = Literal["ok", "denied", "unreachable", "no_registry"]
_LONGEST_S: Final = 10.0
_TOKEN_BYTES: Final = 1024 * 1024


def attempt(stack: Stack, remote: Remote) -> RemoteTest:
    """One attempt, of ten seconds for each question."""
    begun = time.monotonic()
    try:
        result, message = _ask(outbound(stack.settings), remote, Remotes(stack).login(remote))
    except Unavailable as failed:
        result, message = "unreachable", failed.message
    except Invalid as refused:
        result, message = "unreachable", f"{remote.host} may not be called: {refused.message}"
    except Conflict as sealed:
        result, message = "denied", sealed.message
    return RemoteTest(result=result, message=message, duration_ms=int((time.monotonic() - begun) * 1000))


def _ask(calls: Outbound, remote: Remote, login: Login | None) -> tuple[_Result, str]:
    status, challenge = _ping(calls, remote, "")
    if status == 401:
        sent = _authorization(calls, remote, login, challenge)
        if not sent:
            return "denied", f"{remote.host} does not take this login"
        status, _ = _ping(calls, remote, sent)
    if status == 200:
        whom = f"takes {remote.username}" if login is not None else "asks for no login"
        return "ok", f"{remote.host} answers, and {whom}"
    if status in (401, 403):
        return "denied", f"{remote.host} does not take this login"
    if status == 429 or status >= 500:
        return "unreachable", f"{remote.host} answers with status {status}"
    return "no_registry", f"{remote.host} answers with status {status}, as no registry does"


def _ping(calls: Outbound, remote: Remote, authorization: str) -> tuple[int, Challenge]:
    headers = {"Authorization": authorization} if authorization else {}
    with calls.get(f"{remote.origin}/v2/", headers, _LONGEST_S) as answer:
        return answer.status, Challenge.parse(answer.headers.get("www-authenticate", ""))


def _authorization(calls: Outbound, remote: Remote, login: Login | None, challenge: Challenge) -> str:
    """What answers the challenge; "" where nothing does. The password goes to the registry's own realm alone."""
    if challenge.scheme == "basic":
        return login.basic if login is not None else ""
    realm = challenge.parameters.get("realm", "")
    if challenge.scheme != "bearer" or not realm:
        return ""
    asked = urlencode({"service": service} if (service := challenge.parameters.get("service", "")) else {})
    url = realm + ("&" if "?" in realm else "?") + asked if asked else realm
    try:
        may_see = login is not None and is_its_own(url, remote.origin)
    except httpx.InvalidURL:
        return ""
    headers = {"Authorization": login.basic} if login is not None and may_see else {}
    with calls.get(url, headers, _LONGEST_S) as answer:
        return _token(answer) if answer.status == 200 else ""


def _token(answer: Streamed) -> str:
    body = bytearray()
    for piece in answer.chunks:
        body += piece
        if len(body) > _TOKEN_BYTES:
            return ""
    try:
        told = strict_json.parse(bytes(body), "token")
    except Invalid:
        return ""
    token = (told.get("token") or told.get("access_token")) if isinstance(told, dict) else None
    fits = isinstance(token, str) and token.isascii() and token.isprintable()
    return f"Bearer {token}" if fits else ""
