"""Small images, and what a database of a few rows says of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.advisories.examination import examine
from chalicelib.advisories.models import Examination, Finding
from chalicelib.packages.models import ImageInventory, Installed, LayerRef, OperatingSystem, Package
from tests.advisories.rows import database

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LAYER = LayerRef(digest="sha256:" + "0" * 64)


def package(name: str, version: str, **fields: Any) -> Package:
    """Of rpm; the source is named and versioned like the package, unless it is said otherwise."""
    number, _, release = version.partition("-")
    epoch, colon, number = number.rpartition(":")
    parts = {"epoch": int(epoch) if colon else 0, "version": number, "release": release}
    source = {f"source_{key}": value for key, value in parts.items()}
    return Package(**{"type": "rpm", "name": name, "arch": "x86_64", "source_name": name, **parts, **source, **fields})


def whole(name: str, version: str, **fields: Any) -> Package:
    """Of dpkg or apk."""
    fields = {"type": "dpkg", "source_name": name, "source_version": version, **fields}
    return Package(name=name, version=version, **fields)


def inventory(family: str, name: str, *packages: Package, stream: str = "") -> ImageInventory:
    return ImageInventory(
        system=OperatingSystem(family=family, name=name, stream=stream),
        packages=tuple(Installed(package=one, layer=LAYER) for one in packages),
    )


def examined(folder: Path, image: ImageInventory, rows: Mapping[str, Any], now: datetime = NOW) -> Examination:
    """rows: platform → package → id → advisory."""
    return examine(image, database(folder, rows), now)


def found(folder: Path, image: ImageInventory, rows: Mapping[str, Any], now: datetime = NOW) -> dict[str, Finding]:
    """By vulnerability."""
    return {finding.id: finding for finding in examined(folder, image, rows, now).findings}


def fixes(folder: Path, image: ImageInventory, rows: Mapping[str, Any], now: datetime = NOW) -> dict[str, str]:
    return {vulnerability: finding.fixed for vulnerability, finding in found(folder, image, rows, now).items()}
