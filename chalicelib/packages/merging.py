"""Layers laid over each other: what an image has in the end, and since which layer.

    lowest layer ─► found ─┐
    next layer   ─► its whiteouts, folders emptied and files written over take away; then its own found ─► …

Where a package stands is decided by the highest layer; who brought it, by the lowest that had this version of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from .models import Found, ImageInventory, Installed, LayerInventory, LayerRef, OperatingSystem
from .systems.choice import choose_system
from .systems.copyrights import package_of_copyright

_SYSTEM: Final = "system"
_MANAGERS: Final = frozenset({"dpkg", "apk", "rpm", "rpm-manifest"})
_LICENCES: Final = "dpkg-licences"
_BUILD: Final = frozenset({"redhat-contents", "redhat-build"})

Layers = Sequence[tuple[LayerRef, LayerInventory]]


def merge(layers: Layers) -> ImageInventory:
    """layers: of one image, lowest first."""
    standing, problems = _standing(layers)
    system = choose_system(found for found in standing if found.reader == _SYSTEM)
    installed = [*_of_system(standing, layers, system), *_of_languages(standing, layers)]
    return ImageInventory(
        system=system,
        packages=tuple(sorted(installed, key=_order)),
        problems=problems,
    )


def _order(installed: Installed) -> tuple[str, str, str, str, str, str]:
    package = installed.package
    return (package.type, package.name, package.version, package.path, package.release, package.arch)


def _standing(layers: Layers) -> tuple[list[Found], dict[str, str]]:
    """By path. Files that a later layer deleted or wrote over tell nothing."""
    standing: dict[str, list[Found]] = {}
    problems: dict[str, str] = {}
    for _, inventory in layers:
        gone = _Gone(inventory)
        standing = {path: found for path, found in standing.items() if not gone.covers(path)}
        problems = {path: text for path, text in problems.items() if not gone.covers(path)}
        for path in {found.path for found in inventory.found}:
            standing[path] = []
            problems.pop(path, None)
        for found in inventory.found:
            standing[found.path].append(found)
        problems.update(inventory.problems)
    return [found for _, of_path in sorted(standing.items()) for found in of_path], dict(sorted(problems.items()))


class _Gone:
    """Paths of lower layers that are no more: named themselves, or below one that is."""

    def __init__(self, inventory: LayerInventory) -> None:
        self._named = {*inventory.whiteouts, *inventory.replaced}
        self._emptied = {*inventory.opaque}

    def covers(self, path: str) -> bool:
        if path in self._named or "" in self._emptied:
            return True
        slash = path.rfind("/")
        while slash > 0:
            path = path[:slash]
            if path in self._named or path in self._emptied:
                return True
            slash = path.rfind("/")
        return False


def _of_system(standing: Sequence[Found], layers: Layers, system: OperatingSystem | None) -> Iterator[Installed]:
    """Each name and version once, even where two databases name it."""
    first = _first_layers(layers)
    builds = [_build_of(inventory) for _, inventory in layers]
    licences = _licences(standing)
    seen: set[tuple[str, ...]] = set()
    for found in standing:
        if found.reader not in _MANAGERS:
            continue
        for package in found.packages:
            arch = package.arch if package.type == "rpm" else ""
            key = (package.name, package.version, package.release, arch)
            if key in seen:
                continue
            seen.add(key)
            index = first[package.name, package.version, package.release]
            changes: dict[str, object] = {"type": system.family} if system else {}
            if build := _build_at(index, builds):
                changes["build"] = build
            if package.type == "dpkg" and package.name in licences:
                changes["licenses"] = licences[package.name]
            yield Installed(package=package.model_copy(update=changes), layer=layers[index][0])


def _first_layers(layers: Layers) -> Mapping[tuple[str, str, str], int]:
    first: dict[tuple[str, str, str], int] = {}
    for index, (_, inventory) in enumerate(layers):
        for found in inventory.found:
            if found.reader in _MANAGERS:
                for package in found.packages:
                    first.setdefault((package.name, package.version, package.release), index)
    return first


def _licences(standing: Sequence[Found]) -> Mapping[str, tuple[str, ...]]:
    return {
        package_of_copyright(found.path): tuple(found.facts["licenses"].split("\n"))
        for found in standing
        if found.reader == _LICENCES
    }


def _build_of(inventory: LayerInventory) -> Mapping[str, str]:
    return {key: value for found in inventory.found if found.reader in _BUILD for key, value in found.facts.items()}


def _build_at(index: int, builds: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Of the layer itself. Red Hat's lowest layers say it in the one above; layers built upon its images say none."""
    if builds[index]:
        return builds[index]
    if index == 0:
        return builds[1] if len(builds) > 1 else {}
    return next((builds[below] for below in range(index - 1, -1, -1) if builds[below]), {})


def _of_languages(standing: Sequence[Found], layers: Layers) -> Iterator[Installed]:
    """What the system's packages own is left out: advisories of the system are about it, under its own versions."""
    kept = [
        (found, package)
        for found in standing
        if not found.owned and found.reader not in _MANAGERS
        for package in found.packages
    ]
    first: dict[tuple[str, str, str], int] = {}
    for index, (_, inventory) in enumerate(layers):
        for found in inventory.found:
            for package in found.packages:
                first.setdefault((package.path or found.path, package.name, package.version), index)
    for found, package in kept:
        index = first[package.path or found.path, package.name, package.version]
        yield Installed(package=package, layer=layers[index][0])
