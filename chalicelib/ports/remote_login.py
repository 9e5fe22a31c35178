"""How a foreign registry is logged in to: what it challenges with, and whom credentials may be sent to.

    401 with `Basic realm=…`                     ─► user name and password, to the registry itself
    401 with `Bearer realm=…,service=…,scope=…`  ─► a token from the realm, which is sent to the registry

A registry may name any realm. The password goes to one that is the registry's own, and to no other: elsewhere the token
is asked for without it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

import httpx

from chalicelib.kernel.errors import Denied

from .outbound_addresses import port_of

_SCHEME: Final = re.compile(r"[\s,]*([A-Za-z]+)\s+", re.ASCII)
_PARAMETER: Final = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*,?\s*', re.ASCII)
_LONGEST_CHALLENGE: Final = 8192
# Registries whose tokens come from another name: the host, and its realm's.
_REALMS: Final = {"registry-1.docker.io": "auth.docker.io", "registry.gitlab.com": "gitlab.com"}
_ALIYUN: Final = re.compile(r"registry(?:-[a-z]+)?\.([a-z0-9-]+\.aliyuncs\.com)", re.ASCII)

# What a token has to allow.
CATALOG: Final = "registry:catalog:*"


def pull_from(repository: str) -> str:
    return f"repository:{repository}:pull"


def push_to(repository: str) -> str:
    return f"repository:{repository}:pull,push"


class LoginRefused(Denied):
    """The registry does not know the login, whatever is asked for: there is no use in asking for more."""

    code = "LOGIN_REFUSED"


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        return "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Challenge:
    """scheme: `basic` or `bearer`; anything else is none that is known."""

    scheme: str
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, header: str) -> Challenge:
        """Of the challenges in a `WWW-Authenticate` the first for a token, else the first; one without a scheme where
        there is none."""
        every = list(_challenges(header[:_LONGEST_CHALLENGE]))
        tokens = (one for one in every if one.scheme == "bearer")
        return next(tokens, every[0] if every else cls("", {}))

    def token_url(self, *scopes: str) -> str:
        """Where a token comes from that allows so much; "" where it does not say."""
        realm = self.parameters.get("realm", "")
        if self.scheme != "bearer" or not realm:
            return ""
        service = self.parameters.get("service", "")
        asked = [("service", service)] if service else []
        asked += [("scope", scope) for scope in scopes]
        return realm + ("&" if "?" in realm else "?") + urlencode(asked)


def _challenges(text: str) -> Iterator[Challenge]:
    position = 0
    while found := _SCHEME.match(text, position):
        parameters, position = {}, found.end()
        while one := _PARAMETER.match(text, position):
            quoted, plain = one[2], one[3]
            parameters[one[1].lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            position = one.end()
        yield Challenge(found[1].lower(), parameters)


def is_its_own(realm: str, origin: str) -> bool:
    """Whether a token's realm belongs to the registry at the origin (scheme, host, port), and may see its passwords."""
    asked, own = httpx.URL(realm), httpx.URL(origin)
    if same_origin(asked, own):
        return True
    aliyun = _ALIYUN.fullmatch(own.host)
    known = f"dockerauth.{aliyun[1]}" if aliyun else _REALMS.get(own.host, "")
    return asked.scheme == "https" and asked.host == known and asked.port in (None, 443)


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, one.host, port_of(one)) == (other.scheme, other.host, port_of(other))
