"""Inventories and expectations from the accuracy data, in the shapes of the product."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from chalicelib.advisories.families import written
from chalicelib.packages.models import ImageInventory, Installed, LayerRef, OperatingSystem, Package

# Report → package list, where they are named differently.
LISTS = {"oraclelinux-8": "oraclelinux-8-slim", "ubuntu-1804": "ubuntu-18.04"}
SYSTEMS = (
    "alpine-310",
    "amazon-2",
    "centos-6",
    "debian-buster",
    "opensuse-leap-151",
    "opensuse-tumbleweed",
    "oraclelinux-8",
    "photon-30",
    "ubi-7",
    "ubuntu-1804",
)
_MANAGERS = {"debian": "dpkg", "ubuntu": "dpkg", "alpine": "apk"}


def report_of(folder: Path, name: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "reports" / f"{name}.json").read_text())
    return report


def moment_of(report: dict[str, Any]) -> datetime:
    """When the report was made, which decides what had ended."""
    return datetime.fromisoformat(report["CreatedAt"])


def inventory_of(folder: Path, name: str) -> ImageInventory:
    """The whole package list; in one layer, the one that the report names."""
    report = report_of(folder, name)
    family = report["Metadata"]["OS"]["Family"]
    found = report["Results"][0]["Vulnerabilities"][0]["Layer"]
    layer = LayerRef(digest=found.get("Digest", ""), diff_id=found["DiffID"])
    listed = json.loads((folder / "packages" / f"{LISTS.get(name, name)}.json").read_text())
    return ImageInventory(
        system=OperatingSystem(family=family, name=report["Metadata"]["OS"]["Name"]),
        packages=tuple(Installed(package=package_of(one, _MANAGERS.get(family, "rpm")), layer=layer) for one in listed),
    )


def _versions(listed: dict[str, Any], whole: bool) -> dict[str, Any]:
    """whole: epoch and release stand in the version, as all but rpm have them."""
    own = (listed.get("Epoch", 0), listed["Version"], listed.get("Release", ""))
    source = (listed.get("SrcEpoch", 0), listed.get("SrcVersion", ""), listed.get("SrcRelease", ""))
    if whole:
        return {"version": written(*own), "source_version": written(*source)}
    names = ("epoch", "version", "release")
    return dict(zip((*names, *(f"source_{name}" for name in names)), (*own, *source), strict=True))


def package_of(listed: dict[str, Any], manager: str) -> Package:
    build = listed.get("BuildInfo") or {}
    told = {"content_sets": ",".join(build.get("ContentSets", ())), "nvr": build.get("Nvr"), "arch": build.get("Arch")}
    return Package(
        type=manager,
        name=listed["Name"],
        # One of the lists does not say it; the reports do.
        arch=listed.get("Arch") or "amd64",
        source_name=listed.get("SrcName", ""),
        **_versions(listed, whole=manager != "rpm"),
        modularity=listed.get("Modularitylabel", ""),
        third_party=listed.get("Repository", {}).get("Class") == "third-party",
        build={key: value for key, value in told.items() if value},
    )
