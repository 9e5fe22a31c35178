"""Bills of materials that images carry: pip tells like that what it brings along, Bitnami what its folders hold.

CycloneDX as JSON; SPDX as JSON, and line by line. What systems' packages they name stands in the package managers'
own databases too, and counts from there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..models import Package
from ..reading import Places, Told, lines
from .documents import json_object, listed, mapping, text
from .package_urls import parse_package_url

# What a bill names by its URL, and as what kind of package it counts.
_TYPES: Final = {
    "bitnami": "bitnami",
    "cargo": "cargo",
    "composer": "composer",
    "conda": "conda-pkg",
    "gem": "gemspec",
    "golang": "gobinary",
    "maven": "jar",
    "npm": "node-pkg",
    "nuget": "nuget",
    "pypi": "python-pkg",
}
_ENDINGS: Final = (".spdx", ".spdx.json", ".cdx", ".cdx.json")
# Of a wheel's own making: what it brings along is part of it.
_WHEELS: Final = ".dist-info/sboms/"
_BITNAMI: Final = "opt/bitnami/"
_FILE_PROPERTY: Final = "aquasecurity:trivy:FilePath"
# Of CycloneDX: others are hardware, models and the like.
_KINDS: Final = frozenset({"application", "container", "file", "framework", "library", "operating-system", "platform"})


class MaterialsReader:
    name = "materials"
    places = Places(endings=frozenset({".spdx", ".cdx", ".json"}))

    def wants(self, entry: Entry) -> bool:
        return entry.path.endswith(_ENDINGS) and _WHEELS not in entry.path

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        """Nothing of a file that merely is called like one."""
        if content.read(4) == b"SPDX":
            content.seek(0)
            found = _of_lines(content)
        else:
            content.seek(0)
            found = _of_json(json_object(content, first=True))
        packages = [_placed(package, path) for package in found]
        return Told(
            packages=tuple({(each.type, each.name, each.version, each.path): each for each in packages}.values())
        )


def _placed(package: Package, bill: str) -> Package:
    """Where it lies, as far as the bill says. Bitnami's lie in the folders they are about."""
    if not bill.startswith(_BITNAMI):
        return package.model_copy(update={"path": package.path or bill})
    folder = posixpath.dirname(bill)
    inside = "" if package.type == "bitnami" else package.path
    return package.model_copy(update={"path": posixpath.normpath(f"{folder}/{inside}")})


def _package(url: str, name: str, licences: tuple[str, ...], file: str) -> Package | None:
    """name: as the bill writes it, since URLs of some kinds are in small letters throughout."""
    parsed = parse_package_url(url)
    kind = _TYPES.get(parsed.kind) if parsed else None
    if parsed is None or kind is None:
        return None
    if parsed.kind in ("maven", "bitnami"):
        name = ":".join(each for each in (parsed.space, parsed.name) if each)
    return Package(type=kind, name=name, version=parsed.version, licenses=licences, path=file) if name else None


def _of_json(document: dict[str, object]) -> Iterator[Package]:
    if document.get("bomFormat") == "CycloneDX":
        main = mapping(document.get("metadata"), "metadata").get("component")
        components = [
            *listed(document.get("components"), "components"),
            *([mapping(main, "component")] if main else []),
        ]
        found = (_of_component(each) for each in components if each.get("type") in _KINDS)
    elif document.get("SPDXID") == "SPDXRef-DOCUMENT":
        files = _files(document)
        found = (_of_spdx(each, files) for each in listed(document.get("packages"), "packages"))
    else:
        return
    yield from (each for each in found if each)


def _of_component(component: dict[str, object]) -> Package | None:
    group, name = text(component.get("group"), "group"), text(component.get("name"), "name")
    files = [
        text(each.get("value"), "value")
        for each in listed(component.get("properties"), "properties")
        if each.get("name") == _FILE_PROPERTY
    ]
    licences = []
    for each in listed(component.get("licenses"), "licenses"):
        licence = mapping(each.get("license"), "license")
        licences.append(text(licence.get("name") or licence.get("id") or each.get("expression"), "license"))
    return _package(
        text(component.get("purl"), "purl"),
        f"{group}/{name}" if group else name,
        tuple(each for each in licences if each),
        files[-1] if files else "",
    )


def _of_spdx(package: dict[str, object], files: dict[str, str]) -> Package | None:
    declared = text(package.get("licenseDeclared"), "licenseDeclared")
    urls = (
        text(each.get("referenceLocator"), "referenceLocator")
        for each in listed(package.get("externalRefs"), "externalRefs")
        if each.get("referenceType") == "purl"
    )
    return _package(
        next(urls, ""),
        text(package.get("name"), "name"),
        tuple(declared.split(",")) if declared not in ("", "NONE") else (),
        files.get(text(package.get("SPDXID"), "SPDXID"), ""),
    )


def _files(document: dict[str, object]) -> dict[str, str]:
    """Of packages that are a file, by their ids: its name."""
    names = {
        text(each.get("SPDXID"), "SPDXID"): text(each.get("fileName"), "fileName")
        for each in listed(document.get("files"), "files")
    }
    return {
        text(each.get("spdxElementId"), "spdxElementId"): names[file]
        for each in listed(document.get("relationships"), "relationships")
        if each.get("relationshipType") in ("CONTAINS", "CONTAIN")
        and (file := text(each.get("relatedSpdxElement"), "relatedSpdxElement")) in names
    }


def _of_lines(content: BinaryIO) -> Iterator[Package]:
    """`PackageName: x` begins a package, `ExternalRef: PACKAGE-MANAGER purl pkg:…` says which it is."""
    name = ""
    for line in lines(content):
        key, _, value = line.partition(":")
        words = value.split()
        if key == "PackageName":
            name = value.strip()
        elif key == "ExternalRef" and words[1:2] == ["purl"] and (found := _package(words[-1], name, (), "")):
            yield found
