"""What a jar says it is: pom.properties, MANIFEST.MF, its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..reading import Unreadable
from .java_groups import group_of

_FILE: Final = re.compile(r"([a-zA-Z0-9._-]*[^*-])-(\d\S*(?:-SNAPSHOT)?).jar")
# The pattern takes the square of the length in time.
_LONGEST_NAME: Final = 255
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
# What names a group or an artifact at Maven; a title such as "Apache Tomcat" does not.
_COORDINATE: Final = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Of Maven; "" for what is not said."""

    group: str = ""
    artifact: str = ""
    version: str = ""

    @property
    def complete(self) -> bool:
        return bool(self.group and self.artifact and self.version)


def from_file_name(name: str) -> Coordinates:
    """`spring-core-5.3.4-SNAPSHOT.jar`; none of it where it is called otherwise. The group only of well-known ones."""
    found = _FILE.fullmatch(name) if len(name) <= _LONGEST_NAME else None
    if not found:
        return Coordinates()
    return Coordinates(group_of(found[1]), found[1], found[2])


def from_properties(text: bytes) -> Coordinates:
    """Of a pom.properties. The last of several counts."""
    values: dict[str, str] = {}
    for raw in text.decode("utf-8", "replace").split("\n"):
        key, equals, value = raw.strip().partition("=")
        if equals:
            values[key] = value
    return Coordinates(values.get("groupId", ""), values.get("artifactId", ""), values.get("version", ""))


def main_section(text: bytes) -> dict[str, str]:
    """A MANIFEST.MF's attributes of the archive itself: up to the first empty line. Values keep their spaces."""
    logical: list[str] = []
    for line in _LINE_END.split(text.decode("utf-8", "replace")):
        if not line:
            break
        if line[0] == " " and logical:
            logical[-1] += line[1:]
        else:
            logical.append(line)
    attributes: dict[str, str] = {}
    for line in logical:
        key, colon, value = line.partition(":")
        words = line.split()
        # `%bundleName` stands for a text in another file.
        if colon and len(words) > 1 and not words[1].startswith("%"):
            attributes[key] = value
    return attributes


def from_manifest(attributes: dict[str, str], named: Coordinates) -> Coordinates:
    """Incomplete where they name nothing that Maven could have, or another artifact than the file's name does."""

    def first(*keys: str) -> str:
        return next((attributes[key] for key in keys if attributes.get(key)), "").strip()

    group = first("Implementation-Vendor-Id")
    if not group and (symbolic := attributes.get("Bundle-SymbolicName", "")):
        dot = symbolic.rfind(".")
        group = (symbolic[:dot] if dot > 0 else symbolic).strip()
    group = group or first("Implementation-Vendor", "Specification-Vendor")
    artifact = first("Implementation-Title", "Specification-Title", "Bundle-Name")
    version = first("Implementation-Version", "Specification-Version", "Bundle-Version")
    if not _COORDINATE.fullmatch(group) or not _COORDINATE.fullmatch(artifact):
        return Coordinates()
    if named.artifact not in ("", artifact):
        return Coordinates()
    return Coordinates(group, artifact, version)


def licences_of(attributes: dict[str, str]) -> tuple[str, ...]:
    """What Jenkins' plugins say; bundles' licences are addresses and texts, and left out."""
    names = [
        value.strip()
        for key, value in attributes.items()
        if key == "Plugin-License-Name" or key.startswith("Plugin-License-Name-")
    ]
    return tuple(name for name in names if name)


def same_version(version: str) -> tuple[str, ...]:
    """Equal for versions that Maven takes for one: `2.17` and `2.17.0`."""
    if len(version) > 1000:
        raise Unreadable("a version of more than 1000 characters")
    parts = re.split(r"[.-]", version.lower())
    while len(parts) > 1 and (not parts[-1].strip("0") or parts[-1] in {"final", "ga", "release"}):
        parts.pop()
    return tuple(part.lstrip("0") or "0" if part.isdigit() else part for part in parts)
