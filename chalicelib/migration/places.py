"""Where images are, as image-syncer's rules name it.

    registry.example:5000/team/app                 all tags
    registry.example:5000/team/app:v1,v2           these tags
    registry.example:5000/team/app:/v1\\..*/        the tags that the expression is found in
    registry.example:5000/team/app@sha256:…        this manifest

The first part is a registry where it has a dot or a port, or is `localhost`; inside the service also the id of an
instance. Without one a source is at Docker Hub.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chalicelib.kernel.errors import Invalid, Refused
from chalicelib.kernel.ids import is_id
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports.remote_reference import RemoteReference

from .expressions import Expression

_PARTS: Final = re.compile(r"(?P<path>[^:@]+)(?::(?P<tags>[^@]*))?(?:@(?P<digest>.*))?", re.DOTALL)
HUB: Final = "docker.io"


@dataclass(frozen=True, slots=True)
class Place:
    """host: "" where the text names none. tags: of its own; with neither tags nor digest nor expression all of them."""

    host: str
    repository: str
    tags: tuple[str, ...] = ()
    digest: str = ""
    expression: Expression | None = None

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises Invalid that says what is wrong with it."""
        host, rest = _split(text)
        pattern = ""
        if ":/" in rest:
            rest, _, pattern = rest.partition(":/")
            if not pattern.endswith("/") or pattern == "/":
                raise Invalid("place", "an expression stands between slashes: name:/expression/")
        found = _PARTS.fullmatch(rest)
        if found is None:
            raise Invalid("place", "names no repository")
        digest, tags = found["digest"], found["tags"]
        if digest is not None and not Digest.fits(digest):
            raise Invalid("place", f"{digest!r} is no digest like sha256:…")
        named = tuple(dict.fromkeys(tags.split(","))) if tags is not None and not digest else ()
        for tag in named:
            if not TagName.fits(tag):
                raise Invalid("place", f"{tag!r} is no tag")
        try:
            RemoteReference.parse(f"{HUB if not host or is_id(host) else host}/{found['path']}")
        except Refused:
            raise Invalid("place", f"{text!r} is no reference like registry.example/name:tag") from None
        expression = Expression(pattern[:-1], "place") if pattern else None
        return cls(host, found["path"], named, digest or "", expression)

    @property
    def all_tags(self) -> bool:
        return not self.tags and not self.digest

    def registry(self, *, insecure: bool) -> RemoteReference:
        """insecure: it speaks plain HTTP."""
        return RemoteReference.parse(f"{'http://' if insecure else ''}{self.host or HUB}/{self.repository}")

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}" if self.host else self.repository


def _split(text: str) -> tuple[str, str]:
    if "://" in text:
        raise Invalid("place", "begins with the registry's name, not with http:// (plain HTTP is `insecure` in auth)")
    head, slash, rest = text.partition("/")
    is_host = slash and (is_id(head) or re.fullmatch(r"localhost|[^:]*\.[^:]*|\[[0-9a-f:.]+\]|.+:[0-9]+", head))
    return (head, rest) if is_host else ("", text)
