"""Package URLs as others write them, compared with those of findings. Source: the purl specification, and its `oci`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import unquote

LONGEST: Final = 2048
# Types whose names are the same in upper and in lower case.
_CASELESS: Final = frozenset({"apk", "composer", "deb", "npm", "oci", "pypi"})
_SCHEME: Final = "pkg:"


@dataclass(frozen=True, slots=True)
class PackageUrl:
    """`pkg:deb/debian/bash@5.0-4?arch=amd64`; "" for what it does not say."""

    type: str
    namespace: str
    name: str
    version: str = ""
    qualifiers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        if not text.startswith(_SCHEME) or len(text) > LONGEST:
            raise ValueError("a package URL begins with pkg: and is no longer than 2048 characters")
        rest, _, query = text.removeprefix(_SCHEME).partition("#")[0].partition("?")
        kind, _, path = rest.lstrip("/").partition("/")
        head, _, last = path.strip("/").rpartition("/")
        name, _, version = last.partition("@")
        if not kind or not name:
            raise ValueError("a package URL has a type and a name")
        kind = kind.lower()
        spelled = unquote(name).lower() if kind in _CASELESS else unquote(name)
        named = spelled.replace("_", "-") if kind == "pypi" else spelled
        space = "/".join(unquote(part) for part in head.split("/") if part)
        said = [part.partition("=") for part in query.split("&") if part]
        qualifiers = {key.lower(): unquote(value) for key, _, value in said if value}
        return cls(kind, space.lower() if kind in _CASELESS else space, named, unquote(version), qualifiers)

    def covers(self, other: PackageUrl) -> bool:
        """Whether the other is one of what this names: what this does not say may be anything."""
        same_package = (self.type, self.namespace, self.name) == (other.type, other.namespace, other.name)
        same_version = not self.version or self.version == other.version
        return (
            same_package
            and same_version
            and all(other.qualifiers.get(key) == value for key, value in self.qualifiers.items())
        )
