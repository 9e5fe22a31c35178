"""Conda: one file for each package of an environment. No advisories are about them; bills of materials name them."""

from __future__ import annotations

import re
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..models import Package
from ..reading import Places, Told, Unreadable
from .documents import json_object, text
from .licences import split_licences

TYPE: Final = "conda-pkg"
# Name, version and build stand in the file's name.
_FILE: Final = re.compile(r"/envs/.+/conda-meta/.+-.+-.+\.json")


class CondaReader:
    name = "conda"
    places = Places(endings=frozenset({".json"}))

    def wants(self, entry: Entry) -> bool:
        return "/conda-meta/" in entry.path and _FILE.search(entry.path) is not None

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        document = json_object(content, first=True)
        name, version = text(document.get("name"), "name"), text(document.get("version"), "version")
        if not name or not version:
            raise Unreadable("names no package, or no version of it")
        licences = split_licences(text(document.get("license"), "license"))
        return Told(packages=(Package(type=TYPE, name=name, version=version, licenses=licences, path=path),))
