"""`crs-kubelet-credential-provider`: logins for the images that a node's kubelet pulls, without pull secrets.

    stdin    CredentialProviderRequest: an image, and with service accounts set up a token of the pod's
    stdout   CredentialProviderResponse: the login for the image's registry, and how long the kubelet may keep it

Source: Kubernetes, "Configure a kubelet image credential provider", and k8s.io/kubelet's types of
credentialprovider/v1. Only the standard library is used here (see `login_file.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from .login_file import Login, LoginFile, LoginsUnreadable, registry_of
from .login_sources import cache_of, token_in
from .workload_login import Exchange, ExchangeFailed, logged_in, present

# Of the same shape for what this answers.
_VERSIONS = tuple(f"credentialprovider.kubelet.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
_LONGEST = 1024 * 1024


class Failed(Exception):
    """One line for the kubelet's log."""


def main(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
    read: Callable[[], str] | None = None,
    now: Callable[[], datetime] = present,
) -> int:
    """The exit code."""
    options = _options(arguments)
    try:
        version, image, token = _request((read or _stdin)())
        answer = _answer(options, environment, image, token, now)
    except (Failed, LoginsUnreadable, ExchangeFailed, OSError) as failed:
        sys.stderr.write(f"failed to find a login: {failed}\n")
        return 1
    response = {"apiVersion": version, "kind": "CredentialProviderResponse", "cacheKeyType": "Registry", **answer}
    sys.stdout.write(json.dumps(response) + "\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="crs-kubelet-credential-provider", description=__doc__)
    parser.add_argument("--registry", action="append", required=True, help="host[:port] that it is for; repeatable")
    parser.add_argument("--logins", help="file of logins, as docker-credential-crs keeps it")
    parser.add_argument("--cache-minutes", type=int, default=10, help="how long the kubelet keeps a login of the file")
    parser.add_argument("--api", help="the service's address, to exchange a token for a login of minutes")
    parser.add_argument("--instance", help="the instance's id, for the exchange")
    parser.add_argument("--token-file", help="the token, where the kubelet does not send the pod's own")
    parser.add_argument("--cache-folder", help="where logins of minutes are kept")
    options = parser.parse_args(arguments)
    if bool(options.logins) == bool(options.api and options.instance):
        parser.error("give either --logins, or --api and --instance")
    return options


def _request(text: str) -> tuple[str, str, str]:
    """Its version, the image, and the pod's token, "" without."""
    try:
        request = json.loads(text)
        version, kind, image = request["apiVersion"], request["kind"], request["image"]
        token = request.get("serviceAccountToken") or ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Failed("what came on stdin is no CredentialProviderRequest") from None
    if version not in _VERSIONS or kind != "CredentialProviderRequest":
        raise Failed(f"{str(version)[:100]!r} {str(kind)[:100]!r} is not known here")
    if not isinstance(image, str) or not isinstance(token, str):
        raise Failed("image and serviceAccountToken are texts")
    return version, image, token


def _answer(
    options: argparse.Namespace, environment: Mapping[str, str], image: str, token: str, now: Callable[[], datetime]
) -> dict[str, Any]:
    """Without `auth` for an image of another registry: so the kubelet asks others."""
    host = image.partition("/")[0]
    if host not in {registry_of(registry) for registry in options.registry}:
        return {"cacheDuration": "0s"}
    if options.logins:
        found = LoginFile(Path(options.logins)).find(host)
        return _told(host, found, options.cache_minutes * 60) if found else {"cacheDuration": "0s"}
    if not token and options.token_file:
        token = token_in(options.token_file)
    if not token:
        raise Failed("there is no token: set tokenAttributes for this provider, or give --token-file")
    folder = Path(options.cache_folder) if options.cache_folder else cache_of(environment)
    short = logged_in(Exchange(options.api, options.instance), token, folder, now)
    return _told(host, short.login, short.seconds_left(now()))


def _told(host: str, login: Login, seconds: int) -> dict[str, Any]:
    return {
        "cacheDuration": f"{seconds}s",
        "auth": {host: {"username": login.username, "password": login.secret}},
    }


def _stdin() -> str:
    return sys.stdin.read(_LONGEST)


def run() -> None:
    """What a script calls."""
    sys.exit(main())
