"""A login of minutes for a workload's token (X4), kept until shortly before it ends.

Each token is taken once, and clients ask for every image anew, several at a time; so what a token was exchanged for
lies in a folder that only the caller may read, under the token's hash, and the exchange is made by one of them.
Only the standard library is used here (see `login_file.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from .login_file import Login, locked, write_whole

# Pulls that begin with it should come to their end.
MARGIN = timedelta(seconds=60)
_TIMEOUT_S = 20
_LONGEST_BYTES = 64 * 1024
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ExchangeFailed(Exception):
    """The service did not give a login. Never says the token."""


class Exchange(NamedTuple):
    """api: the service's address, as in `https://registry.example.com`; instance: its id."""

    api: str
    instance: str


class ShortLogin(NamedTuple):
    login: Login
    ends_at: datetime

    def seconds_left(self, now: datetime) -> int:
        """Until nobody should begin anything with it."""
        return max(0, int((self.ends_at - MARGIN - now).total_seconds()))


class _NoRedirects(HTTPRedirectHandler):
    """A token goes to the address that was given, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def present() -> datetime:
    # `datetime.UTC` came with Python 3.11; this also runs on what nodes have.
    return datetime.now(timezone.utc)  # noqa: UP017


def logged_in(exchange: Exchange, token: str, folder: Path, now: Callable[[], datetime] = present) -> ShortLogin:
    """The login for this token: from the folder, or by exchange. Raises ExchangeFailed, OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = sha256("\n".join((*exchange, token)).encode()).hexdigest()
    place = folder / f"{name}.json"
    with locked(folder / "lock"):
        kept = _kept(place)
        if kept is not None and kept.seconds_left(now()):
            return kept
        made = _exchanged(exchange, token)
        _clear(folder, now())
        document = {**made.login._asdict(), "expires_at": made.ends_at.isoformat()}
        write_whole(place, json.dumps(document))
    return made


def _kept(place: Path) -> ShortLogin | None:
    """None for what is not there, or not as we write it."""
    try:
        document = json.loads(place.read_text(encoding="utf-8"))
        return _login(document)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _login(document: Any) -> ShortLogin:
    # Python 3.10 and before read no `Z`.
    ends_at = datetime.fromisoformat(str(document["expires_at"]).replace("Z", "+00:00"))
    return ShortLogin(Login(str(document["username"]), str(document.get("password") or document["secret"])), ends_at)


def _clear(folder: Path, now: datetime) -> None:
    """Logins that are over go."""
    for path in folder.glob("*.json"):
        kept = _kept(path)
        if kept is None or kept.ends_at <= now:
            with suppress(OSError):
                os.unlink(path)


def _exchanged(exchange: Exchange, token: str) -> ShortLogin:
    parts = urlsplit(exchange.api)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ExchangeFailed("the service's address must begin with https://, as a token is sent there")
    url = f"{exchange.api.rstrip('/')}/api/v1/instances/{quote(exchange.instance, safe='')}/workload-logins"
    body = json.dumps({"token": token}).encode()
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  its scheme was looked at
    try:
        with build_opener(_NoRedirects).open(request, timeout=_TIMEOUT_S) as answer:
            return _login(json.loads(answer.read(_LONGEST_BYTES)))
    except HTTPError as refused:
        raise ExchangeFailed(f"{parts.netloc} refused the token: {_detail(refused)}") from None
    except (OSError, HTTPException) as silent:
        raise ExchangeFailed(f"{parts.netloc} did not answer: {silent}") from None
    except (ValueError, KeyError, TypeError) as malformed:
        raise ExchangeFailed(f"{parts.netloc} answered no login") from malformed


def _detail(refused: HTTPError) -> str:
    """In the service's own words, as long as they are printable."""
    try:
        told = json.loads(refused.read(_LONGEST_BYTES))["detail"]
    except (OSError, ValueError, KeyError, TypeError):
        told = ""
    words = "".join(character for character in str(told)[:300] if character.isprintable())
    return f"{refused.code} {words}".strip()
