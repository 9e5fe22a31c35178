"""Packages of the systems that use rpm: Red Hat and what descends from it, SUSE, Amazon, Photon, Azure."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, UnsupportedOperation
from typing import BinaryIO, Final

from chalicelib.layers.entries import MIB, Entry

from ..models import Package
from ..reading import MOST_PACKAGES, Places, Told, Unreadable, lines
from .rpm_databases import headers
from .rpm_headers import RpmHeader, parse_header
from .sqlite_pages import Buffer

_DATABASES: Final = frozenset(
    {
        "usr/lib/sysimage/rpm/Packages",
        "var/lib/rpm/Packages",
        "usr/lib/sysimage/rpm/Packages.db",
        "var/lib/rpm/Packages.db",
        "usr/lib/sysimage/rpm/rpmdb.sqlite",
        "var/lib/rpm/rpmdb.sqlite",
        "usr/share/rpm/rpmdb.sqlite",
    }
)
# How the makers of systems begin their names. Packages of others: no advisory of the system is about them.
_MAKERS: Final = (
    "Amazon Linux",
    "Amazon.com",
    "CentOS",
    "Fedora Project",
    "Oracle America",
    "Red Hat",
    "AlmaLinux",
    "CloudLinux",
    "VMware",
    "SUSE",
    "openSUSE",
    "Microsoft Corporation",
    "Rocky",
)
# Pages of a map that was read count as memory in use until they are given back.
_MAPPED_MOST: Final = 16 * MIB
_MANIFEST_COLUMNS: Final = 10


def is_third_party(vendor: str, release: str) -> bool:
    """Some of Amazon's own say no vendor."""
    return not vendor.startswith(_MAKERS) if vendor else "amzn" not in release


def split_source(file: str) -> tuple[str, str, str]:
    """`bash-4.2.46-30.src.rpm` → name, version, release; three empty ones for what is not named so."""
    rest, dot, _ = file.removesuffix(".rpm").rpartition(".")
    parts = rest.rsplit("-", 2)
    return (parts[0], parts[1], parts[2]) if dot and len(parts) == 3 else ("", "", "")


def package_of(header: RpmHeader) -> Package:
    source_name, source_version, source_release = split_source(header.source)
    return Package(
        type="rpm",
        name=header.name,
        version=header.version,
        epoch=header.epoch,
        release=header.release,
        arch=header.arch or "None",
        source_name=source_name,
        source_version=source_version,
        source_epoch=header.epoch,
        source_release=source_release,
        modularity=header.modularity,
        licenses=(header.license,) if header.license else (),
        maintainer=header.vendor,
        third_party=is_third_party(header.vendor, header.release),
    )


@contextmanager
def _buffer(content: BinaryIO) -> Iterator[Buffer]:
    """The whole file: as it lies in memory already, or a map of the file that it lies in."""
    if isinstance(content, BytesIO):
        yield content.getvalue()
        return
    try:
        mapped = mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ)
    except (AttributeError, OSError, UnsupportedOperation, ValueError):
        content.seek(0)
        yield content.read()
        return
    with mapped:
        yield mapped


class Rpm:
    """Reader of what is installed."""

    name = "rpm"
    places = Places(paths=_DATABASES)

    def wants(self, entry: Entry) -> bool:
        return entry.kind == "file" and entry.size > 0

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        packages: list[Package] = []
        problem = ""
        for header in _headers(content):
            if isinstance(header, Unreadable):
                problem = str(header)
                continue
            packages.append(package_of(header))
            if len(packages) > MOST_PACKAGES:
                raise Unreadable(f"more than {MOST_PACKAGES} packages")
        return Told(packages=packages, owns=_owned(content), problem=problem)


def _headers(content: BinaryIO) -> Iterator[RpmHeader | Unreadable]:
    """Of one package after another, or what is wrong with it; what is wrong with the file ends it."""
    with _buffer(content) as data:
        blobs = headers(data)
        held = 0
        while True:
            try:
                blob = next(blobs, None)
            except Unreadable as error:
                yield error
                return
            if blob is None:
                return
            held += len(blob)
            if held > _MAPPED_MOST and isinstance(data, mmap.mmap):
                data.madvise(mmap.MADV_DONTNEED)
                held = 0
            try:
                yield parse_header(blob)
            except Unreadable as error:
                yield error


def _owned(content: BinaryIO) -> Iterator[str]:
    """In a second pass: all names of files at once would take as much memory as the database."""
    for header in _headers(content):
        if isinstance(header, RpmHeader) and not is_third_party(header.vendor, header.release):
            yield from header.files()


class RpmManifest:
    """Reader of the list that Microsoft's distroless images have instead of a database: ten columns a line."""

    name = "rpm-manifest"
    places = Places(paths=frozenset({"var/lib/rpmmanifest/container-manifest-2"}))

    def wants(self, entry: Entry) -> bool:
        return entry.kind == "file"

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        packages: list[Package] = []
        problem = ""
        for line in lines(content):
            columns = line.split("\t")
            version, hyphen, release = columns[1].partition("-") if len(columns) == _MANIFEST_COLUMNS else ("", "", "")
            if not hyphen or not columns[8].isdecimal() or len(columns[8]) > 9:
                problem = "a line that is no package"
                continue
            epoch = int(columns[8])
            source_name, source_version, source_release = split_source(columns[9])
            packages.append(
                Package(
                    type="rpm",
                    name=columns[0],
                    version=version,
                    release=release,
                    epoch=epoch,
                    arch=columns[7],
                    source_name=source_name,
                    source_version=source_version,
                    source_epoch=epoch,
                    source_release=source_release,
                    maintainer=columns[4],
                )
            )
            if len(packages) > MOST_PACKAGES:
                raise Unreadable(f"more than {MOST_PACKAGES} packages")
        return Told(packages=packages, problem=problem)
