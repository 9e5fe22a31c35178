"""`docker-credential-crs`: keeps registry logins for docker, podman, skopeo, crane, oras and whoever else asks so.

    get     stdin: a registry's address      stdout: {"ServerURL", "Username", "Secret"}
    store   stdin: the same JSON
    erase   stdin: a registry's address
    list    stdout: {address: user name}

What went wrong is one line on stdout, and exit code 1; clients know what is missing by its exact words.
Source: the protocol of docker-credential-helpers. Only the standard library is used here (see `login_file.py`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from .login_file import Login, LoginFile, LoginsUnreadable, place_of, registry_of
from .login_sources import login_for

VERSION = "docker-credential-crs (crs) 1"
# These words are the protocol's.
NOT_FOUND = "credentials not found in native keychain"
NO_ADDRESS = "no credentials server URL"
NO_USERNAME = "no credentials username"
_LONGEST = 1024 * 1024


class Failed(Exception):
    """One line for the client."""


def main(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
    read: Callable[[], str] | None = None,
) -> int:
    """The exit code. read: what was sent on stdin."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    action = _ACTIONS.get(given[0]) if len(given) == 1 else None
    if action is None:
        sys.stdout.write(f"Usage: docker-credential-crs <{'|'.join(_ACTIONS)}>\n")
        return 1
    try:
        answer = action(read or _stdin, environment)
    except Failed as failed:
        answer, code = str(failed), 1
    except (LoginsUnreadable, OSError) as failed:
        answer, code = " ".join(str(failed).split()), 1
    except Exception as failed:
        # A client shows what it is told: no stack, and nothing of what was sent.
        answer, code = f"failed: {failed}" if type(failed).__name__ == "ExchangeFailed" else "failed", 1
    else:
        code = 0
    if answer:
        sys.stdout.write(f"{answer}\n")
    return code


def _get(read: Callable[[], str], environment: Mapping[str, str]) -> str:
    address = _address(read)
    login = login_for(address, environment)
    if login is None:
        raise Failed(NOT_FOUND)
    return json.dumps({"ServerURL": address, "Username": login.username, "Secret": login.secret})


def _store(read: Callable[[], str], environment: Mapping[str, str]) -> str:
    try:
        given = json.loads(read())
        address, username, secret = (given[name] for name in ("ServerURL", "Username", "Secret"))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Failed("send JSON with ServerURL, Username and Secret") from None
    if not all(isinstance(one, str) for one in (address, username, secret)):
        raise Failed("ServerURL, Username and Secret are texts")
    if not registry_of(address):
        raise Failed(NO_ADDRESS)
    if not username:
        raise Failed(NO_USERNAME)
    LoginFile(place_of(environment)).store(address, Login(username, secret))
    return ""


def _erase(read: Callable[[], str], environment: Mapping[str, str]) -> str:
    LoginFile(place_of(environment)).erase(_address(read))
    return ""


def _list(read: Callable[[], str], environment: Mapping[str, str]) -> str:
    known = LoginFile(place_of(environment)).all()
    return json.dumps({registry: login.username for registry, login in known.items()})


def _version(read: Callable[[], str], environment: Mapping[str, str]) -> str:
    return VERSION


def _address(read: Callable[[], str]) -> str:
    address = read().strip()
    if not registry_of(address):
        raise Failed(NO_ADDRESS)
    return address


def _stdin() -> str:
    return sys.stdin.read(_LONGEST)


_ACTIONS = {"get": _get, "store": _store, "erase": _erase, "list": _list, "version": _version}


def run() -> None:
    """What a script calls."""
    sys.exit(main())
