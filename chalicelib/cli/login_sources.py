"""Where programs find a registry login: in the environment, by a workload's token, or in the file of logins.

    CRS_LOGIN_REGISTRY                            for which registries the following are: hosts, with commas between
    CRS_LOGIN_USERNAME, CRS_LOGIN_PASSWORD        a robot, or an access key's id and secret
    CRS_LOGIN_API, CRS_LOGIN_INSTANCE,
    CRS_LOGIN_TOKEN_FILE                          a service, an instance's id, and a file with a workload's token

Clients may ask for the login of any registry in the world, so the environment's is for those it names alone.
Only the standard library is used here (see `login_file.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .login_file import Login, LoginFile, place_of, registry_of

_LONGEST_TOKEN = 64 * 1024


def login_for(registry: str, environment: Mapping[str, str]) -> Login | None:
    """Raises LoginsUnreadable, ExchangeFailed, OSError."""
    named = [registry_of(one) for one in environment.get("CRS_LOGIN_REGISTRY", "").split(",") if one.strip()]
    host = registry_of(registry).partition("/")[0]
    if host in named:
        found = _of_environment(environment)
        if found is not None:
            return found
    return LoginFile(place_of(environment)).find(registry)


def cache_of(environment: Mapping[str, str]) -> Path:
    """Where short logins are kept."""
    if environment.get("XDG_CACHE_HOME"):
        return Path(environment["XDG_CACHE_HOME"]) / "crs"
    # Services of the system have no home.
    return Path(environment["HOME"]) / ".cache" / "crs" if environment.get("HOME") else Path("/run/crs-logins")


def token_in(path: str) -> str:
    """Raises OSError."""
    with Path(path).open(encoding="utf-8") as file:
        return file.read(_LONGEST_TOKEN).strip()


def _of_environment(environment: Mapping[str, str]) -> Login | None:
    username, password = environment.get("CRS_LOGIN_USERNAME"), environment.get("CRS_LOGIN_PASSWORD")
    if username and password:
        return Login(username, password)
    api, instance = environment.get("CRS_LOGIN_API"), environment.get("CRS_LOGIN_INSTANCE")
    token_file = environment.get("CRS_LOGIN_TOKEN_FILE")
    if not (api and instance and token_file):
        return None
    # Only now: it brings the client for HTTP along.
    from .workload_login import Exchange, logged_in

    return logged_in(Exchange(api, instance), token_in(token_file), cache_of(environment)).login
