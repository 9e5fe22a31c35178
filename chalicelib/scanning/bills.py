"""A bill of materials: what a report's inventory says is in an image, in the order and under the names of documents.

    image ─┬─ system ─── its packages
           ├─ packages of languages whose files are one each: Python, Node, Ruby, Java, Conda
           └─ file ─── packages that it holds: a Go binary, a list of what .NET or PHP installed

The same image in the same repository makes the same bill, whoever asks and whenever. How it is built up, and the names
of properties, are Trivy's, so that it finds in the document what it finds in the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5

from chalicelib.packages.models import Installed, OperatingSystem, Package
from chalicelib.packages.purls import purl

from .models import Report, ReportLayer

# Raised when the same report makes another document.
BILL_VERSION: Final = 1
IMAGE: Final = "image"
SYSTEM: Final = "system"
_TOGETHER: Final = frozenset({"conda-pkg", "gemspec", "jar", "node-pkg", "python-pkg"})
_IN_FILES: Final = frozenset(
    {
        "bitnami",
        "cargo",
        "composer",
        "composer-vendor",
        "dotnet-core",
        "gobinary",
        "nuget",
        "packages-props",
        "rustbinary",
    }
)
_GROUPED: Final = {"jar": ":", "node-pkg": "/"}
# Four digits, of which texts are made; no image is as old as that.
_FIRST_YEAR: Final = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """One package. ref: names it in the document; within: ref of what has it, IMAGE and SYSTEM among them."""

    ref: str
    within: str
    installed: Installed
    purl: str

    @property
    def package(self) -> Package:
        return self.installed.package

    @property
    def group_and_name(self) -> tuple[str, str]:
        """`org.example` and `library` of `org.example:library`; "" for no group."""
        separator = _GROUPED.get(self.package.type)
        if separator is None:
            return "", self.package.name
        group, _, name = self.package.name.rpartition(separator)
        return group, name

    @property
    def version(self) -> str:
        return written(self.package.epoch, self.package.version, self.package.release)

    @property
    def source_version(self) -> str:
        package = self.package
        return written(package.source_epoch, package.source_version, package.source_release)


@dataclass(frozen=True, slots=True)
class File:
    """One that holds packages of a language."""

    ref: str
    type: str
    path: str


@dataclass(frozen=True, slots=True)
class Bill:
    """
    name       of the repository; digest: of the image; id: of the document, which follows from both
    platform   `linux/amd64`, "" where the image does not say; created: when it was built, None likewise
    problems   files that could not be read: the bill lacks what they would have told
    """

    name: str
    digest: str
    id: UUID
    platform: str
    created: datetime | None
    system: OperatingSystem | None
    layers: Sequence[ReportLayer]
    files: Sequence[File]
    parts: Sequence[Part]
    problems: Mapping[str, str]

    @property
    def purl(self) -> str:
        """Of the image. Source: purl specification, type `oci`."""
        architecture = self.platform.split("/")[1] if "/" in self.platform else ""
        arch = f"?arch={quote(architecture, safe='')}" if architecture else ""
        return f"pkg:oci/{quote(self.name.rpartition('/')[2].lower(), safe='')}@{quote(self.digest, safe='')}{arch}"

    def contents(self) -> dict[str, list[str]]:
        """Refs of what lies in what: of the image first."""
        first = [SYSTEM] if self.system is not None else []
        found = {IMAGE: [*first, *(file.ref for file in self.files)], **{ref: [] for ref in first}}
        found |= {file.ref: [] for file in self.files}
        for part in self.parts:
            found[part.within].append(part.ref)
        return found


def bill_of(report: Report, repository: str, created: datetime | None) -> Bill:
    files: dict[tuple[str, str], File] = {}
    parts: list[Part] = []
    system, taken = report.inventory.system, {IMAGE, SYSTEM}
    for number, installed in enumerate(report.inventory.packages):
        package = installed.package
        named = purl(package, system)
        # What is installed twice has one URL and two places.
        ref = named if named and named not in taken else f"package-{number}"
        taken.add(ref)
        within = SYSTEM if system is not None else IMAGE
        if package.type in _TOGETHER:
            within = IMAGE
        elif package.type in _IN_FILES:
            key = (package.type, package.path)
            within = files.setdefault(key, File(f"file-{len(files)}", *key)).ref
        parts.append(Part(ref, within, installed, named))
    return Bill(
        name=repository,
        digest=report.digest,
        id=uuid5(NAMESPACE_URL, f"{repository}@{report.digest}"),
        platform=report.platform,
        created=created,
        system=system,
        layers=report.layers,
        files=tuple(files.values()),
        parts=tuple(parts),
        problems=report.inventory.problems,
    )


def written(epoch: int, version: str, release: str) -> str:
    """As its manager writes it, `1:2.3-4`."""
    whole = f"{version}-{release}" if release else version
    return f"{epoch}:{whole}" if epoch else whole


def moment_of(text: object) -> datetime | None:
    """What an image's config says of when it was built: RFC 3339, or anything else that its author wrote. The year 1,
    by which builders say that they do not tell, is none."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
        moment = (found.replace(tzinfo=UTC) if found.tzinfo is None else found).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= _FIRST_YEAR else None


def moment_text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
