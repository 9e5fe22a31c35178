"""Alpine's packages, and those of the systems that use its manager: one file of paragraphs, a letter a field.

P: name   V: version   o: source package   A: architecture   L: licence   m: maintainer   F: folder   R: file in it
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..models import Package
from ..reading import MOST_PACKAGES, Places, Told, Unreadable, lines
from .licences import split_loosely

_VERSION: Final = re.compile(
    r"[0-9]+(?:\.[0-9]+)*[a-z]?(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*(?:-r[0-9]+)?\Z"
)

# Linux's PATH_MAX: what is longer lies nowhere.
_LONGEST_PATH: Final = 4096


def _package(fields: dict[str, str]) -> Package | None:
    """None without a name or a version that apk would take."""
    name, version = fields.get("P", ""), fields.get("V", "")
    if not name or not _VERSION.match(version):
        return None
    return Package(
        type="apk",
        name=name,
        version=version,
        arch=fields.get("A", ""),
        source_name=fields.get("o") or name,
        source_version=version,
        licenses=split_loosely(fields.get("L", "")),
        maintainer=fields.get("m", ""),
    )


def _paragraphs(content: BinaryIO) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in lines(content):
        key, value = line[:1], line[2:]
        if not line:
            yield fields
            fields = {}
        elif line[1:2] == ":" and key in "PVAoLm":
            fields[key] = value
    yield fields


def _owned(content: BinaryIO) -> Iterator[str]:
    """In a second pass: a few bytes a file make a path of any length, and there may be millions."""
    content.seek(0)
    folder = ""
    for line in lines(content):
        key, value = line[:2], line[2:]
        if not line:
            folder = ""
        elif key == "F:":
            folder = value
        elif key == "R:" and len(folder) + len(value) < _LONGEST_PATH:
            yield f"{folder}/{value}" if folder else value


class Apk:
    """Reader of what is installed; the first paragraph about a name counts."""

    name = "apk"
    places = Places(paths=frozenset({"lib/apk/db/installed", "usr/lib/apk/db/installed"}))

    def wants(self, entry: Entry) -> bool:
        return entry.kind == "file"

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        packages: dict[str, Package] = {}
        for fields in _paragraphs(content):
            package = _package(fields)
            if package:
                packages.setdefault(package.name, package)
            if len(packages) > MOST_PACKAGES:
                raise Unreadable(f"more than {MOST_PACKAGES} packages")
        return Told(packages=tuple(packages.values()), owns=_owned(content))
