"""PHP: what Composer installed, as its installed.json lists it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..models import Package
from ..reading import Places, Told, Unreadable
from .documents import json_object, mapping, ranges, text
from .licences import split_licences

TYPE: Final = "composer-vendor"
_FILE: Final = "installed.json"


class ComposerReader:
    name = "composer"
    places = Places(names=frozenset({_FILE}))

    def wants(self, entry: Entry) -> bool:
        return entry.path.rpartition("/")[2] == _FILE

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        """Raises Unreadable for the plain list of Composer 1 too."""
        document = json_object(content)
        packages = {package.name: package for package in _listed(document, "packages", path)}
        # Read all the same: a list that is broken says so.
        for _ in _listed(document, "packages-dev", path):
            continue
        return Told(packages=tuple(packages.values()))


def _listed(document: dict[str, object], key: str, path: str) -> Iterator[Package]:
    """Of several with one name, the last comes first: whoever keeps one by name keeps the first that is listed."""
    listed = document.get(key)
    if listed is None:
        return
    if not isinstance(listed, list):
        raise Unreadable(f"{key} is no list")
    for each in reversed(listed):
        fields = mapping(each, key)
        ranges(fields.get("require"), "require")
        yield Package(
            type=TYPE,
            name=text(fields.get("name"), "name"),
            version=text(fields.get("version"), "version"),
            licenses=_licences(fields.get("license")),
            path=path,
        )


def _licences(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return split_licences(value)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
