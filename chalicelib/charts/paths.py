"""Paths of the classic repository.

/charts/<instance>/<folder>/index.yaml                        index
/charts/<instance>/<folder>/<chart>-<version>.tgz             archive
/charts/<instance>/<folder>/<chart>-<version>.tgz.prov        provenance

<instance> is its id or name; <folder> a namespace, or what lies below one: `library`, `library/team-a`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.names import NamespaceName, RepositoryName, TagName

from .versions import ARCHIVE, PROVENANCE, parse_archive, tag_of

PREFIX: Final = "/charts/"
INDEX: Final = "index.yaml"
NO_NAME: Final = RepositoryName("")
NO_TAG: Final = TagName("")
_LONGEST_PATH: Final = 1024

Kind = Literal["index", "archive", "provenance"]


@dataclass(frozen=True, slots=True)
class Place:
    """name, tag: of the chart's repository and version; "" for an index."""

    kind: Kind
    instance: str
    folder: str
    name: RepositoryName = NO_NAME
    tag: TagName = NO_TAG


def instance_in(path: str) -> str:
    """What a path names as its instance, whatever else it holds."""
    return path.removeprefix(PREFIX).partition("/")[0]


def parse_path(path: str, raw_path: bytes) -> Place:
    """Raises NotFound."""
    if path.startswith(PREFIX) and len(path) <= _LONGEST_PATH and b"%2f" not in raw_path.lower():
        instance, _, rest = path.removeprefix(PREFIX).partition("/")
        folder, _, file = rest.rpartition("/")
        if NamespaceName.fits(folder) or ("/" in folder and RepositoryName.fits(folder)):
            found = _file(instance, folder, file)
            if found is not None:
                return found
    raise NotFound("there is nothing at this path")


def _file(instance: str, folder: str, file: str) -> Place | None:
    if file == INDEX:
        return Place("index", instance, folder)
    endings: tuple[tuple[str, Kind], ...] = ((ARCHIVE, "archive"), (PROVENANCE, "provenance"))
    for ending, kind in endings:
        named = parse_archive(file.removesuffix(ending)) if file.endswith(ending) else None
        if named is None:
            continue
        name, tag = f"{folder}/{named.chart}", tag_of(named.version)
        if RepositoryName.fits(name) and TagName.fits(tag):
            return Place(kind, instance, folder, RepositoryName(name), TagName(tag))
    return None
