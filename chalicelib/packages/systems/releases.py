"""Files that say which system this is. Each tells `family` and `name`; `merging` weighs them (`systems/choice.py`).

    etc/os-release       what most say of themselves         etc/debian_version    10.1
    etc/<x>-release      one line: "<who> release <version>" etc/lsb-release       Ubuntu
    etc/alpine-release   3.19.0                              …/ubuntu-advantage    longer support was bought
    etc/apk/repositories Alpine's stream

A file that says nothing known tells nothing, and is no problem: there are hundreds of small systems.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..languages.documents import json_object
from ..reading import Places, Told, lines

Facts = Mapping[str, str]

# os-release's ID → family as Trivy names it.
_BY_ID: Final = {
    "activestate": "activestate",
    "almalinux": "alma",
    "alpine": "alpine",
    "azurelinux": "azurelinux",
    "bottlerocket": "bottlerocket",
    "centos": "centos",
    "chainguard": "chainguard",
    "coreos": "coreos",
    "echo": "echo",
    "fedora": "fedora",
    "mariner": "cbl-mariner",
    "minimos": "minimos",
    "ol": "oracle",
    "opensuse": "opensuse-leap",
    "opensuse-leap": "opensuse-leap",
    "opensuse-tumbleweed": "opensuse-tumbleweed",
    "photon": "photon",
    "rhel": "redhat",
    "rocky": "rocky",
    "sl-micro": "slem",
    "sle-micro": "slem",
    "sle-micro-rancher": "slem",
    "sles": "sles",
    "wolfi": "wolfi",
}
# Whose own file says more, where it is there: Debian's and Ubuntu's IDs are their families' names.
_BY_ID_ALONE: Final = {"amzn": "amazon"}
# Who a line "<who> release <version>" speaks of.
_BY_WHO: Final = {
    "alma": "alma",
    "alma linux": "alma",
    "almalinux": "alma",
    "centos": "centos",
    "centos linux": "centos",
    "fedora": "fedora",
    "fedora linux": "fedora",
    "oracle": "oracle",
    "oracle linux": "oracle",
    "oracle linux server": "oracle",
    "rocky": "rocky",
    "rocky linux": "rocky",
}
_RELEASE_LINE: Final = re.compile(r"(.*) release (\d[\d.]*)")
_REPOSITORY: Final = re.compile(r"(?:https?|ftp)://[0-9A-Za-z.-]+/([A-Za-z]+)/v?([0-9A-Za-z_.-]+)/")
# Small files all of them; more of one is not read.
_MOST_LINES: Final = 1_000
_AMAZON_OF_TODAY: Final = "Amazon Linux release 2"


def _first(content: BinaryIO) -> str:
    return next(lines(content), "")


def os_release(content: BinaryIO) -> Facts:
    """weak: of a family nobody has advisories for under this file alone; counts where no other file says more."""
    said = {}
    for line in islice(lines(content), _MOST_LINES):
        key, equals, value = line.partition("=")
        if equals:
            said[key.strip()] = value.strip().strip("\"'")
    given, version = said.get("ID", ""), said.get("VERSION_ID", "")
    if not given:
        return {}
    family = _BY_ID.get(given)
    if family is None or not version:
        return {"family": family or _BY_ID_ALONE.get(given, given), "name": version, "weak": "1"}
    if family == "centos" and said.get("NAME") == "CentOS Stream":
        family = "centos-stream"
    return {"family": family, "name": version}


def release_line(*families: str) -> Callable[[BinaryIO], Facts]:
    """families: what this file may speak of; none: of anybody, and of Red Hat where it is somebody unknown."""

    def read(content: BinaryIO) -> Facts:
        found = _RELEASE_LINE.match(_first(content).strip())
        if not found:
            return {}
        family = _BY_WHO.get(found[1].lower(), "" if families else "redhat")
        known = not families or family in families
        return {"family": family, "name": found[2]} if known else {}

    return read


def oracle_release(content: BinaryIO) -> Facts:
    found = _RELEASE_LINE.match(_first(content).strip())
    return {"family": "oracle", "name": found[2]} if found else {}


def amazon_release(content: BinaryIO) -> Facts:
    """`Amazon Linux release 2 (Karoo)` → `2 (Karoo)`; the first of them was `Amazon Linux AMI release 2018.03`."""
    for line in islice(lines(content), _MOST_LINES):
        words = line.split()
        if line.startswith(_AMAZON_OF_TODAY):
            if len(words) >= 5:
                return {"family": "amazon", "name": " ".join(words[3:])}
        elif line.startswith("Amazon Linux"):
            return {"family": "amazon", "name": " ".join(words[2:])}
    return {}


def whole_line(family: str) -> Callable[[BinaryIO], Facts]:
    """The first line is the version."""

    def read(content: BinaryIO) -> Facts:
        name = _first(content)
        return {"family": family, "name": name} if name else {}

    return read


def lsb_release(content: BinaryIO) -> Facts:
    ubuntu = False
    for line in islice(lines(content), _MOST_LINES):
        ubuntu = ubuntu or line == "DISTRIB_ID=Ubuntu"
        if ubuntu and line.startswith("DISTRIB_RELEASE="):
            return {"family": "ubuntu", "name": line.partition("=")[2].strip()}
    return {}


def ubuntu_advantage(content: BinaryIO) -> Facts:
    """Whether security updates for longer are switched on; other advisories hold then."""
    services = json_object(content).get("services")
    for service in services if isinstance(services, list) else ():
        if isinstance(service, dict) and service.get("name") == "esm-infra" and service.get("status") == "enabled":
            return {"extended": "1"}
    return {}


def _order(version: str) -> tuple[int, ...] | None:
    parts = version.removeprefix("v").split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() and len(part) < 10 for part in parts) else None


def apk_repositories(content: BinaryIO) -> Facts:
    """The highest release named, or edge where that is named beside others."""
    best = ""
    for kind, version in _repositories(content):
        if kind != "alpine":
            return {}
        if not best:
            best = version
        elif "edge" in (best, version):
            best = "edge"
        else:
            known, new = _order(best), _order(version)
            best = version if known and new and new > known else best
    return {"stream": best} if best else {}


def _repositories(content: BinaryIO) -> Iterator[tuple[str, str]]:
    for line in islice(lines(content), _MOST_LINES):
        if found := _REPOSITORY.search(line):
            yield found[1], found[2]


# Those that Debian's or Red Hat's own files may be lying beside come first: the order is that of weight.
_FILES: Final[dict[str, Callable[[BinaryIO], Facts]]] = {
    "etc/alpine-release": whole_line("alpine"),
    "etc/lsb-release": lsb_release,
    "etc/system-release": amazon_release,
    "usr/lib/system-release": amazon_release,
    "etc/oracle-release": oracle_release,
    "etc/almalinux-release": release_line("alma"),
    "etc/rocky-release": release_line("rocky"),
    "etc/centos-release": release_line("centos"),
    "etc/fedora-release": release_line("fedora"),
    "usr/lib/fedora-release": release_line("fedora"),
    "etc/redhat-release": release_line(),
    "etc/debian_version": whole_line("debian"),
    "etc/os-release": os_release,
    "usr/lib/os-release": os_release,
    "etc/apk/repositories": apk_repositories,
    "var/lib/ubuntu-advantage/status.json": ubuntu_advantage,
}
WEIGHTS: Final = {path: weight for weight, path in enumerate(_FILES)}


class Releases:
    """Reader of every file that says which system this is."""

    name = "system"
    places = Places(paths=frozenset(_FILES))

    def wants(self, entry: Entry) -> bool:
        return entry.kind == "file"

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        return Told(facts=_FILES[path](content))
