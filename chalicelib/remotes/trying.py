"""Whether a remote answers, is a registry, and takes the login: what `docker login` asks, and no more."""

from __future__ import annotations

import time
from typing import Final, Literal

import httpx

from chalicelib.kernel.errors import Conflict, Denied, Invalid, Unavailable
from chalicelib.ports.outbound import Outbound, outbound
from chalicelib.ports.remote_login import Login
from chalicelib.ports.remote_tokens import Tokens
from chalicelib.ports.stack import Stack

from .models import Remote, RemoteTest
from .service import Remotes

_Result = Literal["ok", "denied", "unreachable", "no_registry"]
# Of each of three questions; whoever tries a remote gets an answer within half a minute or none.
_LONGEST_S: Final = 8.0


def attempt(stack: Stack, remote: Remote) -> RemoteTest:
    """One attempt."""
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
    tokens = Tokens(httpx.URL(remote.origin), calls, calls, login, time.monotonic, answer_s=_LONGEST_S)
    status, challenge = _ping(calls, remote, tokens)
    if status == 401:
        try:
            tokens.renew((), challenge, 0)
        except Denied:
            return "denied", f"{remote.host} does not take this login"
        status, _ = _ping(calls, remote, tokens)
    if status == 200:
        whom = f"takes {remote.username}" if login is not None else "asks for no login"
        return "ok", f"{remote.host} answers, and {whom}"
    if status in (401, 403):
        return "denied", f"{remote.host} does not take this login"
    if status == 429 or status >= 500:
        return "unreachable", f"{remote.host} answers with status {status}"
    return "no_registry", f"{remote.host} answers with status {status}, as no registry does"


def _ping(calls: Outbound, remote: Remote, tokens: Tokens) -> tuple[int, str]:
    with calls.get(f"{remote.origin}/v2/", tokens.headers(()), _LONGEST_S) as answer:
        return answer.status, answer.headers.get("www-authenticate", "")
