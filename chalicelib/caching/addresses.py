"""Which registries may be upstreams, and what a repository is called there: pure decisions."""

from __future__ import annotations

import re
from typing import Final

from chalicelib.kernel.errors import Invalid
from chalicelib.ports.remote_reference import RemoteReference

_HOST_PATTERN: Final = re.compile(r"(?:\*\.)?[a-z0-9.-]{1,253}(?::[0-9]{1,5})?", re.ASCII)
_ANY_NAME: Final = "x"


def named(upstream: str, name: str) -> RemoteReference:
    """What a repository is at the upstream. name: inside its namespace. Raises Invalid naming `reference`."""
    return RemoteReference.parse(f"{upstream}/{name}")


def parse_upstream(text: str, allowed: str) -> str:
    """The upstream as it is kept. allowed: hosts as the operator lists them. Raises Invalid naming `upstream`."""
    upstream = text.strip().removeprefix("https://").rstrip("/")
    if "@" in upstream or ":" in upstream.partition("://")[2].partition("/")[2]:
        raise Invalid("upstream", "names a registry and perhaps a path there, no tag and no user")
    try:
        found = named(upstream, _ANY_NAME)
    except Invalid as refused:
        raise Invalid("upstream", "must be host[:port][/path] of a registry, such as docker.io") from refused
    if not is_allowed(found.host, allowed):
        raise Invalid("upstream", "is not among the registries that this service may pull through")
    return upstream


def is_allowed(host: str, allowed: str) -> bool:
    """host: with its port, as it is called. allowed: `host[:port]` and `*.domain` by commas; "" for any."""
    patterns = [one.strip().lower() for one in allowed.split(",") if one.strip()]
    return not patterns or any(_matches(host.lower(), pattern) for pattern in patterns)


def _matches(host: str, pattern: str) -> bool:
    """A pattern without a port means the usual one. One that is none matches nothing."""
    if not _HOST_PATTERN.fullmatch(pattern):
        return False
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return host == pattern or host == _CALLED.get(pattern)


# What operators call a registry, and where it is called.
_CALLED: Final = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
