"""PHP: what Composer installed, as its installed.json lists it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..models import Package
from ..reading import Places, Told
from .documents import json_object, listed, ranges, text
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
        packages = {package.name: package for package in _packages(document, "packages", path)}
        # Read all the same: a list that is broken says so.
        for _ in _packages(document, "packages-dev", path):
            continue
        return Told(packages=tuple(packages.values()))


def _packages(document: dict[str, object], key: str, path: str) -> Iterator[Package]:
    """Of several with one name, the last comes first: whoever keeps one by name keeps the first that is listed."""
    for fields in reversed(listed(document.get(key), key)):
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
