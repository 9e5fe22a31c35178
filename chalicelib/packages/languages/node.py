"""Node: every package.json that names a package and its version, as npm, Yarn and pnpm install them."""

from __future__ import annotations

import re
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..models import Package
from ..reading import Places, Told, Unreadable
from .documents import json_object, ranges, text

TYPE: Final = "node-pkg"
_FILE: Final = "package.json"
_NAME: Final = re.compile(r"(@[A-Za-z0-9._-]+/)?[A-Za-z0-9._-]+")


class NodeReader:
    name = "node"
    places = Places(names=frozenset({_FILE}))

    def wants(self, entry: Entry) -> bool:
        return entry.path.rpartition("/")[2] == _FILE

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        """Nothing, of one that only says how a folder's modules are loaded."""
        document = json_object(content, first=True)
        # npm's own reader takes `Name` for `name`; the last one counts.
        document |= {key.lower(): value for key, value in document.items() if key.lower() not in document}
        name, version = text(document.get("name"), "name"), text(document.get("version"), "version")
        for kind in ("dependencies", "optionaldependencies", "devdependencies"):
            ranges(document.get(kind), kind)
        if not name or not version:
            return Told()
        if not _NAME.fullmatch(name):
            raise Unreadable("its name is none of a package")
        licences = _licences(document.get("license"))
        return Told(packages=(Package(type=TYPE, name=name, version=version, licenses=licences, path=path),))


def _licences(value: object) -> tuple[str, ...]:
    """`"MIT"`, `{"type": "MIT"}`, or a list of such objects: all three are about."""
    if isinstance(value, str):
        return (value,) if value else ()
    listed = value if isinstance(value, list) else [value]
    objects = [each for each in listed if isinstance(each, dict)]
    if len(objects) != len(listed):
        return ()
    types = [each.get("type") for each in objects]
    return tuple(each for each in types if isinstance(each, str) and each)
