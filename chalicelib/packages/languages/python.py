"""Python: what pip, setuptools and their like installed, each with a METADATA or PKG-INFO; eggs are zip files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from chalicelib.layers.entries import MIB, Entry

from ..models import Package
from ..reading import Places, Told, Unreadable
from .licences import split_licences
from .zips import Archive

TYPE: Final = "python-pkg"
_EGG_FILES: Final = ("EGG-INFO/PKG-INFO", ".egg-info", ".egg-info/PKG-INFO", ".egg-info/METADATA")
# Headers stand first; what follows is a description, of any length.
_LARGEST: Final = MIB
_WANTED: Final = frozenset({"name", "version", "license", "license-expression", "classifier"})
# A header's name: RFC 7230's token; one with spaces is none that is asked for.
_FIELD: Final = re.compile(rb"[0-9A-Za-z!#$%&'*+.^_`|~ -]+\Z")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CLASSIFIER: Final = "License :: "
# A group of licences, no licence.
_GROUP: Final = "OSI Approved"


class PythonReader:
    name = "python"
    places = Places(names=frozenset({"METADATA", "PKG-INFO"}), endings=frozenset({".egg-info"}))

    def wants(self, entry: Entry) -> bool:
        return entry.path.endswith(_EGG_FILES) or (
            ".dist-info" in entry.path and entry.path.rpartition("/")[2] == "METADATA"
        )

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        return Told(packages=(_package(content.read(_LARGEST), path),))


class EggReader:
    name = "python-egg"
    places = Places(endings=frozenset({".egg"}))

    def wants(self, entry: Entry) -> bool:
        return entry.path.endswith(".egg")

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        archive = Archive(content)
        for member in archive.members():
            if member.name.endswith(_EGG_FILES):
                return Told(packages=(_package(archive.text(member, cut=True), path),))
        return Told()


def _package(metadata: bytes, path: str) -> Package:
    fields: dict[str, list[str]] = {}
    for name, value in _fields(metadata):
        if name in _WANTED:
            fields.setdefault(name, []).append(value)
    name, version = _first(fields, "name"), _first(fields, "version")
    if not name or not version:
        raise Unreadable("names no package, or no version of it")
    return Package(type=TYPE, name=name, version=version, licenses=split_licences(_licence(fields)), path=path)


def _first(fields: dict[str, list[str]], name: str) -> str:
    return fields.get(name, [""])[0]


def _licence(fields: dict[str, list[str]]) -> str:
    """The expression, else the classifiers, else the free text. A licence's file, if that is all, is not read."""
    if expression := _first(fields, "license-expression"):
        return expression
    classified = [
        each.split(" :: ")[-1]
        for each in fields.get("classifier", [])
        if each.startswith(_CLASSIFIER) and each.split(" :: ")[-1] != _GROUP
    ]
    return ", ".join(classified) or _first(fields, "license")


def _fields(metadata: bytes) -> Iterator[tuple[str, str]]:
    """Headers up to the first empty line, or up to one that is none: what follows that is not trusted."""
    lines = metadata.split(b"\n")
    number = 0
    while number < len(lines):
        line = lines[number].removesuffix(b"\r")
        number += 1
        if not line or b":" not in line or line[:1] in b" \t":
            return
        parts = [line.strip(b" \t")]
        while number < len(lines) and lines[number][:1] in (b" ", b"\t"):
            parts.append(lines[number].removesuffix(b"\r").strip(b" \t"))
            number += 1
        name, _, value = b" ".join(parts).partition(b":")
        if not _FIELD.match(name) or _CONTROL.search(value):
            return
        yield name.decode("ascii").lower(), value.lstrip(b" \t").decode("utf-8", "replace")
