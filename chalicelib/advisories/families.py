"""How each system's advisories are matched: under which platform they lie, by which name, and in which order.

    family of the system ─► platform ("debian 12") ─► name of the source, or of the package ─► fixed version above it?

One line per family below. Rules as Trivy 0.74 has them (pkg/detector/ospkg); Red Hat's are in `redhat`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from chalicelib.packages.models import OperatingSystem, Package

from .lifetimes import UBUNTU, ended
from .orders import apk, dpkg, rpm

Which = Literal["source", "binary"]
Order = Callable[[str, str], int]


@dataclass(frozen=True)
class Family:
    """
    platform      of a release, the way `release` cuts it
    named         whose name advisories are about; modular: with rpm's module before it, `nodejs:12::npm`
    compared      whose version
    unfixed       advisories without a fixed version count: it has what has no fix yet
    by_architecture   advisories have entries, each of some architectures
    own           who speaks in an advisory's own severity, status and vendor ids; "" where they are not told
    third_party   its advisories are about packages of others too
    rounded       the fixed version is told without an epoch of 0
    """

    platform: str
    release: Callable[[OperatingSystem, datetime], str]
    order: Order
    named: Which
    compared: Which
    modular: bool = False
    unfixed: bool = False
    by_architecture: bool = False
    own: str = ""
    third_party: bool = False
    rounded: bool = False

    def platform_of(self, system: OperatingSystem, now: datetime) -> str:
        return f"{self.platform} {self.release(system, now)}".rstrip()

    def valid(self, version: str) -> bool:
        """rpm takes every text; what the others refuse cannot be compared."""
        if self.order is dpkg.compare:
            return dpkg.valid(version)
        return apk.valid(version) if self.order is apk.compare else True

    def name_of(self, package: Package) -> str:
        name = package.source_name or package.name if self.named == "source" else package.name
        return modular(name, package.modularity) if self.modular else name

    def version_of(self, package: Package) -> str:
        return source_version(package) if self.compared == "source" else installed_version(package)


def installed_version(package: Package) -> str:
    """As its manager writes it: `1:2.3-4`."""
    return written(package.epoch, package.version, package.release)


def source_version(package: Package) -> str:
    return written(package.source_epoch, package.source_version, package.source_release)


def written(epoch: int, version: str, release: str) -> str:
    whole = f"{version}-{release}" if release else version
    return f"{epoch}:{whole}" if epoch else whole


def rounded(version: str) -> str:
    """A version of rpm's without an epoch of 0 or an empty release."""
    epoch, colon, rest = version.partition(":") if ":" in version else ("", "", version)
    number, _, release = rest.partition("-")
    return written(int(epoch) if colon and epoch.isascii() and epoch.strip().isdecimal() else 0, number, release)


def modular(name: str, label: str) -> str:
    """label: `nodejs:12:8030020201124152102:229f0a1c`; its first two parts stand before the name."""
    parts = label.split(":", 2)
    return f"{parts[0]}:{parts[1]}::{name}" if len(parts) == 3 else name


def major(system: OperatingSystem, now: datetime) -> str:
    return system.name.partition(".")[0]


def _minor(system: OperatingSystem, now: datetime) -> str:
    return ".".join(system.name.split(".")[:2])


def _whole(system: OperatingSystem, now: datetime) -> str:
    return system.name


def _none(system: OperatingSystem, now: datetime) -> str:
    return ""


def _amazon(system: OperatingSystem, now: datetime) -> str:
    """`2 (Karoo)`, `2023.6.20241010`; whatever is none of the others is the first, `2018.03`."""
    first = (system.name.split() or [""])[0].partition(".")[0]
    return first if first in ("2", "2022", "2023") else "1"


def _ubuntu(system: OperatingSystem, now: datetime) -> str:
    """Extended support (`-ESM`) has advisories of its own only once the regular one has ended."""
    if system.name in UBUNTU:
        return system.name
    regular = system.name.removesuffix("-ESM")
    return regular if regular in UBUNTU and not ended("ubuntu", regular, now) else system.name


def _alpine(system: OperatingSystem, now: datetime) -> str:
    """Where its packages come from; the release only where nothing says that."""
    return ".".join(system.stream.split(".")[:2]) or _minor(system, now)


def _rolling(platform: str) -> Family:
    """Of distributions without releases, advisories without a fixed version say nothing."""
    return Family(platform, _none, apk.compare, named="source", compared="binary")


def _suse(platform: str, release: Callable[[OperatingSystem, datetime], str] = _whole) -> Family:
    return Family(platform, release, rpm.compare, named="binary", compared="binary")


FAMILIES: Final[dict[str, Family]] = {
    "debian": Family("debian", major, dpkg.compare, "source", "source", unfixed=True, own="debian"),
    "ubuntu": Family("ubuntu", _ubuntu, dpkg.compare, "source", "source", unfixed=True),
    "echo": Family("echo", _none, dpkg.compare, "source", "source", unfixed=True, own="echo", third_party=True),
    "alpine": Family("alpine", _alpine, apk.compare, "source", "source", unfixed=True),
    "wolfi": _rolling("wolfi"),
    "chainguard": _rolling("chainguard"),
    "minimos": _rolling("minimos"),
    # Its versions are rpm's, its order is dpkg's.
    "amazon": Family("amazon linux", _amazon, dpkg.compare, "binary", "binary"),
    "bottlerocket": Family("bottlerocket", _none, rpm.compare, "binary", "binary"),
    "alma": Family("alma", major, rpm.compare, "binary", "binary", modular=True, rounded=True),
    "rocky": Family("rocky", major, rpm.compare, "binary", "binary", modular=True, rounded=True, by_architecture=True),
    "oracle": Family("Oracle Linux", major, rpm.compare, "binary", "binary", by_architecture=True),
    "photon": Family("Photon OS", _whole, rpm.compare, "source", "binary"),
    "cbl-mariner": Family("CBL-Mariner", _minor, rpm.compare, "source", "source", unfixed=True, rounded=True),
    "azurelinux": Family("Azure Linux", _minor, rpm.compare, "source", "source", unfixed=True, rounded=True),
    "sles": _suse("SUSE Linux Enterprise"),
    "slem": _suse("SUSE Linux Enterprise Micro"),
    "opensuse-leap": _suse("openSUSE Leap"),
    "opensuse-tumbleweed": _suse("openSUSE Tumbleweed", _none),
}
RED_HATS: Final = frozenset({"redhat", "centos"})


def end_of_life(system: OperatingSystem, now: datetime) -> bool:
    """Whether its makers look after this release no more; of an unknown one, nobody knows."""
    if system.family in RED_HATS:
        return ended(system.family, major(system, now), now)
    family = FAMILIES.get(system.family)
    if family is None:
        return False
    # Alpine's packages may come from elsewhere than its release, which is what ends.
    release = _minor(system, now) if system.family == "alpine" else family.release(system, now)
    return ended(system.family, release, now)
