""".NET: what a published program brings along (`*.deps.json`), and what the files of its making name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..models import Package
from ..reading import Places, Told
from .documents import json_object, mapping, read_xml, text

DEPENDENCIES_TYPE: Final = "dotnet-core"
NUGET_TYPE: Final = "nuget"
PROPERTIES_TYPE: Final = "packages-props"
_KINDS: Final = frozenset({"package", "project", "runtimepack"})
# The runtime itself, under the name that programs without one of their own know it by.
_RUNTIME_PACK: Final = "runtimepack."
# What a library brings at run time; without any of these only its making needed it.
_RUNTIME_PARTS: Final = ("runtime", "runtimeTargets", "native")


class DependenciesReader:
    name = "dotnet"
    places = Places(endings=frozenset({".json"}))

    def wants(self, entry: Entry) -> bool:
        return entry.path.endswith(".deps.json")

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        document = json_object(content)
        target = text(mapping(document.get("runtimeTarget"), "runtimeTarget").get("name"), "runtimeTarget.name")
        targets = mapping(document.get("targets"), "targets")
        libraries = {key.removeprefix(_RUNTIME_PACK): each for key, each in _entries(targets.get(target), "targets")}
        packages: dict[str, Package] = {}
        for key, library in _entries(document.get("libraries"), "libraries"):
            name, slash, version = key.removeprefix(_RUNTIME_PACK).partition("/")
            if not slash or text(library.get("type"), "type").lower() not in _KINDS:
                continue
            own = libraries.get(f"{name}/{version}")
            if own is None or any(own.get(part) is not None for part in _RUNTIME_PARTS):
                packages[key] = Package(type=DEPENDENCIES_TYPE, name=name, version=version, path=path)
        return Told(packages=_once(packages.values()))


class NugetReader:
    """packages.lock.json, and packages.config, which came before."""

    name = "nuget"
    places = Places(names=frozenset({"packages.lock.json", "packages.config"}))

    def wants(self, entry: Entry) -> bool:
        return entry.path.rpartition("/")[2] in self.places.names

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        found = list(_configured(content) if path.endswith(".config") else _locked(content))
        return Told(
            packages=_once(Package(type=NUGET_TYPE, name=each[0], version=each[1], path=path) for each in found)
        )


class PropertiesReader:
    """Packages.props and Directory.Packages.props, which name versions for all of a solution's projects."""

    name = "packages-props"
    places = Places(endings=frozenset({".props", ".Props", ".PROPS"}))

    def wants(self, entry: Entry) -> bool:
        return entry.path.lower().endswith("packages.props")

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        named: list[tuple[str, str]] = []

        def note(elements: tuple[str, ...], attributes: dict[str, str]) -> None:
            if elements[:2] == ("Project", "ItemGroup") and elements[2:] in (
                ("PackageReference",),
                ("PackageVersion",),
            ):
                name = attributes.get("Include") or attributes.get("Update", "")
                named.append((name.strip(), attributes.get("Version", "").strip()))

        read_xml(content, start=note)
        return Told(
            packages=_once(
                Package(type=PROPERTIES_TYPE, name=name, version=version, path=path)
                for name, version in named
                if name and version and not _variable(name) and not _variable(version)
            )
        )


def _entries(value: object, what: str) -> Iterator[tuple[str, dict[str, object]]]:
    for key, each in mapping(value, what).items():
        yield key, mapping(each, f"{what}.{key}")


def _locked(content: BinaryIO) -> Iterator[tuple[str, str]]:
    """Of every target; projects of the same solution are no packages."""
    for _, target in _entries(json_object(content).get("dependencies"), "dependencies"):
        for name, package in _entries(target, "dependencies"):
            if text(package.get("type"), "type") != "Project":
                yield name, text(package.get("resolved"), "resolved")


def _configured(content: BinaryIO) -> list[tuple[str, str]]:
    named: list[tuple[str, str]] = []

    def note(elements: tuple[str, ...], attributes: dict[str, str]) -> None:
        development = attributes.get("developmentDependency", "").strip().lower() in {"true", "1", "t"}
        if elements == ("packages", "package") and attributes.get("id") and not development:
            named.append((attributes["id"], attributes.get("version", "")))

    read_xml(content, start=note)
    return named


def _variable(text: str) -> bool:
    return text.startswith("$(") and text.endswith(")")


def _once(packages: Iterable[Package]) -> tuple[Package, ...]:
    return tuple({(each.name, each.version): each for each in packages}.values())
