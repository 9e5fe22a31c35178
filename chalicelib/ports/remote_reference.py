"""What a foreign registry's content is called: `ghcr.io/owner/name:tag`, `registry.example:5000/name@sha256:…`.

A reference names its host: nothing is taken for granted but that `docker.io` is reached at another name. It is called
over TLS, unless the reference begins with `http://`; a loopback host is, as clients have it, called without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.names import Digest, TagName

_SEGMENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9a-f:.]{2,45}\](?::[0-9]{1,5})?", re.ASCII)
_LOOPBACK: Final = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?", re.ASCII)
_LONGEST: Final = 1024
# Where Docker Hub answers, and what it calls images without an owner.
_HUB: Final = ("docker.io", "registry-1.docker.io", "library")


def is_loopback(host: str) -> bool:
    """Of a host with or without its port."""
    return _LOOPBACK.fullmatch(host) is not None


@dataclass(frozen=True, slots=True)
class RemoteReference:
    """host: with its port, as it is called. tag: `latest` where neither a tag nor a digest is named."""

    scheme: str
    host: str
    repository: str
    tag: str
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> RemoteReference:
        """Raises Invalid naming `reference`."""
        scheme, separator, rest = text.partition("://")
        if not separator:
            scheme, rest = "", text
        host, _, path = rest.partition("/")
        path, _, digest = path.partition("@")
        path, _, tag = path.partition(":")
        names_a_host = bool(_HOST.fullmatch(host)) and ("." in host or ":" in host or host == "localhost")
        known = scheme in ("", "http", "https") and names_a_host and _PATH.fullmatch(path) and len(text) <= _LONGEST
        if not known or (digest and not Digest.fits(digest)) or (tag and not TagName.fits(tag)):
            raise Invalid("reference", f"{text[:_LONGEST]!r} is no reference like registry.example/name:tag")
        if host == _HUB[0]:
            host, path = _HUB[1], path if "/" in path else f"{_HUB[2]}/{path}"
        if not scheme:
            scheme = "http" if is_loopback(host) else "https"
        return cls(scheme, host, path, tag or ("" if digest else "latest"), digest)

    @property
    def wanted(self) -> str:
        """What is asked for: the digest if one is named, else the tag."""
        return self.digest or self.tag

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"
