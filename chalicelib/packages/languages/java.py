"""Java: jars and what is packed like them, with those inside them.

A jar that says nothing of itself, and is none of the well-known ones by its name, is not found: telling it by its
digest needs a database of everything that was ever published, which the service does without.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, Final

from chalicelib.layers.entries import MIB, Entry

from ..models import Package
from ..reading import MOST_PACKAGES, Places, Told, Unreadable
from .documents import read_xml
from .java_metadata import (
    Coordinates,
    from_file_name,
    from_manifest,
    from_properties,
    licences_of,
    main_section,
    same_version,
)
from .zips import Archive, Budget, Member

TYPE: Final = "jar"
_FILES: Final = (".jar", ".war", ".ear", ".par")
_INNER: Final = (".jar", ".war", ".ear")
# Jars in an ear's war are the third level; more is none that was built to run.
_DEEPEST: Final = 4
_MOST_UNPACKED: Final = 1024 * MIB
_POMS: Final = "META-INF/maven/"


class JavaReader:
    name = "java"
    places = Places(endings=frozenset((*_FILES, *(each.upper() for each in _FILES))))

    def wants(self, entry: Entry) -> bool:
        return entry.path.lower().endswith(_FILES) and entry.size > 0

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        jar = _Jar(path, content, Budget(unpacked_bytes=_MOST_UNPACKED), 1)
        jar.read()
        return Told(packages=_once(jar.packages), problem="; ".join(jar.problems))


@dataclass(slots=True)
class _Jar:
    """path: in the layer, with those of the jars around it in front."""

    path: str
    content: BinaryIO
    budget: Budget
    depth: int
    packages: list[Package] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    named: Coordinates = field(default_factory=Coordinates)
    manifest: dict[str, str] = field(default_factory=dict)
    licences: dict[str, tuple[str, ...]] = field(default_factory=dict)
    has_own_properties: bool = False

    def read(self) -> None:
        """Raises Unreadable where the jar itself is broken; what is wrong with one inside it is a problem."""
        self.named = from_file_name(posixpath.basename(self.path))
        archive = Archive(self.content, self.budget)
        for member in archive.members():
            self._take(archive, member)
        self.packages = [self._licensed(package) for package in self.packages]
        if not self.has_own_properties:
            self._add(self.named if self.named.complete else from_manifest(self.manifest, self.named))
        own = [number for number, package in enumerate(self.packages) if package.path == self.path]
        if (names := licences_of(self.manifest)) and len(own) == 1 and not self.packages[own[0]].licenses:
            self.packages[own[0]] = self.packages[own[0]].model_copy(update={"licenses": names})

    def _take(self, archive: Archive, member: Member) -> None:
        name = member.name.rpartition("/")[2]
        if name == "pom.xml":
            self._take_licences(archive, member)
        elif name == "pom.properties":
            found = from_properties(archive.text(member))
            self._add(found)
            own = (found.artifact, found.version) == (self.named.artifact, self.named.version)
            self.has_own_properties |= found.complete and own
        elif name == "MANIFEST.MF":
            self.manifest = main_section(archive.text(member, cut=True))
        elif name.endswith(_INNER):
            self._enter(archive, member)

    def _add(self, found: Coordinates) -> None:
        if found.complete:
            name = f"{found.group}:{found.artifact}"
            self.packages.append(Package(type=TYPE, name=name, version=found.version, path=self.path))
        if len(self.packages) > MOST_PACKAGES:
            raise Unreadable(f"more than {MOST_PACKAGES} packages")

    def _take_licences(self, archive: Archive, member: Member) -> None:
        """Licences are an extra: a pom.xml that cannot be read takes nothing away from what is installed."""
        group, slash, artifact = member.name.removeprefix(_POMS).removesuffix("/pom.xml").partition("/")
        if not member.name.startswith(_POMS) or not slash:
            return
        names: list[str] = []

        def note(path: tuple[str, ...], text: str) -> None:
            if path == ("project", "licenses", "license", "name") and text.strip():
                names.append(text.strip())

        try:
            read_xml(BytesIO(archive.text(member)), end=note)
        except Unreadable:
            return
        if names:
            self.licences[f"{group}:{artifact}"] = tuple(names)

    def _licensed(self, package: Package) -> Package:
        licences = self.licences.get(package.name)
        return package.model_copy(update={"licenses": licences}) if licences and not package.licenses else package

    def _enter(self, archive: Archive, member: Member) -> None:
        path = posixpath.normpath(f"{self.path}/{member.name}")
        if not path.startswith(f"{self.path}/"):
            return
        if self.depth == _DEEPEST:
            self.problems.append(f"{path}: more than {_DEEPEST} archives inside each other"[:300])
            return
        try:
            with archive.open(member) as content:
                inner = _Jar(path, content, self.budget, self.depth + 1)
                inner.read()
        except Unreadable as error:
            if self.budget.exhausted:
                raise
            self.problems.append(f"{path}: {error}"[:300])
        else:
            self.packages += inner.packages
            self.problems += inner.problems


def _once(packages: list[Package]) -> tuple[Package, ...]:
    """The first of each name and version in one place. Shaded jars name some of theirs twice."""
    return tuple({(each.name, each.path, same_version(each.version)): each for each in reversed(packages)}.values())
