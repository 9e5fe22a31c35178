"""Debian's and Ubuntu's packages: one status file, or one for each package in distroless images; and their files.

Package: libssl1.1
Status: install ok installed
Source: openssl (1.1.1n-0)          name, and version where that differs
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..models import Package
from ..reading import MOST_PACKAGES, Places, Told, Unreadable, lines

_STATUS: Final = "var/lib/dpkg/status"
_STATUS_FOLDER: Final = "var/lib/dpkg/status.d"
_INFO_FOLDER: Final = "var/lib/dpkg/info"
_SUMS: Final = ".md5sums"
_KEPT: Final = frozenset({"package", "status", "source", "version", "architecture", "maintainer"})
_GONE: Final = frozenset({"deinstall", "purge"})
_SOURCE: Final = re.compile(r"(\S*)(?: \((.*)\))?")

# Makers who bring packages of their own, told by their maintainers: no advisory of the system is about these, and
# what their files hold is theirs. Names and addresses are those that Trivy 0.74 goes by.
_OTHERS: Final = (
    "support@docker.com",
    "@nvidia.com",
    "Google Cloud CLI Authors",
    "sapmachine@sap.com",
    "@hashicorp.com",
    "@microsoft.com",
    "@mongodb.com",
    "developers@lists.mariadb.org",
    "dev@couchdb.apache.org",
    "info@elastic.co",
    "nginx-packaging@f5.com",
    "@konghq.com",
    "@cloudflare.com",
    "support@influxdb.com",
    "support@gitlab.com",
    "contact@grafana.com",
    "@datadoghq.com",
    "@nodesource.com",
    "info@tailscale.com",
    "@openrobotics.org",
    "@osrfoundation.org",
)
_OTHERS_IN_FULL: Final = frozenset({"GitHub", "HashiCorp"})


def is_third_party(maintainer: str) -> bool:
    return maintainer in _OTHERS_IN_FULL or any(other in maintainer for other in _OTHERS)


def stanzas(content: BinaryIO) -> Iterator[Mapping[str, str]]:
    """The fields that are kept, by lower-case name; continuation lines belong to fields that are not."""
    fields: dict[str, str] = {}
    for line in lines(content):
        if not line:
            if fields:
                yield fields
            fields = {}
        elif line[0] not in " \t":
            name, colon, value = line.partition(":")
            if colon and (name := name.lower()) in _KEPT:
                fields.setdefault(name, value.strip())
    if fields:
        yield fields


def written(version: str) -> str:
    """As dpkg writes it: without an epoch of zero. "" for what is no version."""
    version = version.strip()
    epoch, colon, rest = version.partition(":")
    if colon:
        if not epoch.isdecimal() or len(epoch) > 9:
            return ""
        version = rest if int(epoch) == 0 else f"{int(epoch)}:{rest}"
    else:
        rest = version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    sound = upstream[:1].isdigit() and not _strange(upstream, ".-+~:_") and not _strange(revision, "+.~_")
    return version if sound else ""


def _strange(text: str, allowed: str) -> bool:
    return not all(char.isalnum() or char in allowed for char in text)


def package_of(fields: Mapping[str, str]) -> Package | None:
    """None for one that is removed, or has no name or version; its configuration may still be there."""
    if not _GONE.isdisjoint(fields.get("status", "").split()):
        return None
    name, version = fields.get("package", ""), written(fields.get("version", ""))
    if not name or not version:
        return None
    match = _SOURCE.match(fields.get("source", ""))
    source_name, source_version = (match[1], match[2] or "") if match else ("", "")
    source_version = written(source_version or version)
    if not source_version:
        return None
    maintainer = fields.get("maintainer", "")
    return Package(
        type="dpkg",
        name=name,
        version=version,
        arch=fields.get("architecture", ""),
        source_name=source_name or name,
        source_version=source_version,
        maintainer=maintainer,
        third_party=is_third_party(maintainer),
    )


class Dpkg:
    """Reader of what is installed."""

    name = "dpkg"
    places = Places(paths=frozenset({_STATUS}), folders=frozenset({_STATUS_FOLDER}))

    def wants(self, entry: Entry) -> bool:
        return entry.kind == "file" and not entry.path.endswith(_SUMS)

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        packages: dict[tuple[str, str], Package] = {}
        for fields in stanzas(content):
            package = package_of(fields)
            if package:
                packages[package.name, package.version] = package
            if len(packages) > MOST_PACKAGES:
                raise Unreadable(f"more than {MOST_PACKAGES} packages")
        return Told(packages=tuple(packages.values()))


class DpkgFiles:
    """Reader of which files a package brought, by the list of their digests: `<md5>  usr/bin/x`."""

    name = "dpkg-files"
    places = Places(endings=frozenset({_SUMS}))

    def wants(self, entry: Entry) -> bool:
        return entry.kind == "file" and entry.path.rpartition("/")[0] in (_INFO_FOLDER, _STATUS_FOLDER)

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        owner = path.rpartition("/")[2].removesuffix(_SUMS)
        return Told(owns=_summed(content), owner=owner)


def _summed(content: BinaryIO) -> Iterator[str]:
    for line in lines(content):
        _, gap, file = line.partition("  ")
        if not gap:
            raise Unreadable("a line that is no digest and path")
        yield file
