"""Package URLs, letter for letter as Trivy writes them.

    pkg:deb/debian/bash@5.0-4?arch=amd64&distro=debian-10.1      pkg:npm/%40babel/core@7.0.0
    └type─┘ └space┘ └name┘ └version┘ └qualifiers┘

Source: the purl specification; what a type makes of a name, and which characters stay, as packageurl-go 0.1.6 does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from .models import OperatingSystem, Package

_APK: Final = frozenset({"alpine", "chainguard", "minimos", "wolfi", "apk"})
_DEB: Final = frozenset({"debian", "echo", "ubuntu", "dpkg"})
# Every other system that is known to have packages uses rpm.
_RPM: Final = frozenset(
    {
        "alma",
        "amazon",
        "azurelinux",
        "cbl-mariner",
        "centos",
        "coreos",
        "fedora",
        "opensuse",
        "opensuse-leap",
        "opensuse-tumbleweed",
        "oracle",
        "photon",
        "redhat",
        "rocky",
        "rpm",
        "slem",
        "sles",
    }
)
_WITH_DISTRO: Final = _DEB | _RPM | {"bottlerocket"}
_SPACES: Final = {"opensuse-leap": "opensuse", "opensuse-tumbleweed": "opensuse", "slem": "suse", "sles": "suse"}
_LANGUAGES: Final = {
    "bitnami": "bitnami",
    "cargo": "cargo",
    "composer": "composer",
    "composer-vendor": "composer",
    "conda-pkg": "conda",
    "dotnet-core": "nuget",
    "gemspec": "gem",
    "gobinary": "golang",
    "jar": "maven",
    "node-pkg": "npm",
    "nuget": "nuget",
    "packages-props": "nuget",
    "python-pkg": "pypi",
    "rustbinary": "cargo",
}
_IN_SEGMENTS: Final = "-._~!$&'()*,;=:"
_IN_QUALIFIERS: Final = "-._~:"


def purl(package: Package, system: OperatingSystem | None) -> str:
    """system: of the image; None where it is unknown. "" for a package that no URL can name: one without a name, or a
    Go module that is a folder beside the main one."""
    if package.type in _LANGUAGES:
        return _of_language(_LANGUAGES[package.type], package)
    qualifiers = {"arch": package.arch}
    family = system.family if system else package.type
    if package.type in _APK:
        if system:
            qualifiers["distro"] = system.name
        return _joined("apk", family if system else "", package.name.lower(), package.version, qualifiers)
    if system and family in _WITH_DISTRO:
        qualifiers["distro"] = f"{family}-{system.name}"
    if package.type in _DEB:
        epoch, colon, version = package.version.partition(":")
        if not colon:
            epoch, version = "", package.version
        qualifiers["epoch"] = epoch
        return _joined("deb", family if system else "", package.name, version, qualifiers)
    qualifiers["epoch"] = str(package.epoch or "")
    version = f"{package.version}-{package.release}" if package.release else package.version
    if package.type not in _RPM:
        return _joined(package.type, "", package.name, version, qualifiers)
    if system:
        qualifiers["modularitylabel"] = package.modularity
    return _joined("rpm", _SPACES.get(family, family) if system else "", package.name, version, qualifiers)


def _of_language(kind: str, package: Package) -> str:
    space, name = "", package.name
    if kind == "maven":
        space, _, name = name.replace(":", "/").rpartition("/")
    elif kind == "pypi":
        name = name.replace("_", "-").lower()
    elif kind == "golang":
        if name.startswith(("./", "../")):
            return ""
        space, _, name = name.lower().rpartition("/")
    elif kind == "npm":
        space, _, name = name.lower().rpartition("/")
    elif kind == "composer":
        space, _, name = name.rpartition("/")
    return _joined(kind, space, name, package.version, {"arch": package.arch})


def _joined(kind: str, space: str, name: str, version: str, qualifiers: Mapping[str, str]) -> str:
    """qualifiers: in the order of the alphabet; empty ones are left out."""
    if not name:
        return ""
    parts = ["pkg:" + kind, *(quote(each, safe=_IN_SEGMENTS) for each in space.split("/") if each)]
    text = "/".join([*parts, quote(name, safe=_IN_SEGMENTS)])
    if version:
        text += "@" + quote(version, safe=_IN_SEGMENTS)
    given = "&".join(f"{key}={quote(value, safe=_IN_QUALIFIERS)}" for key, value in qualifiers.items() if value)
    return f"{text}?{given}" if given else text
