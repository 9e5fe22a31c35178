"""Trivy's report (schema version 2) as ours: what is installed, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chalicelib.advisories.models import SEVERITIES, Examination, Finding, Severity
from chalicelib.kernel.errors import Invalid
from chalicelib.packages.models import ImageInventory, Installed, LayerRef, OperatingSystem, Package

SCHEMA: Final = 2
_OF_SYSTEM: Final = "os-pkgs"
_SEVERITIES: Final[Mapping[str, Severity]] = {severity.upper(): severity for severity in SEVERITIES}
_NO_LAYER: Final = LayerRef(digest="")


def read_report(document: Mapping[str, Any]) -> tuple[ImageInventory, Examination]:
    """Raises Invalid for what is no such report."""
    if document.get("SchemaVersion") != SCHEMA:
        raise Invalid("report", f"is of schema version {document.get('SchemaVersion')}, and only {SCHEMA} is known")
    try:
        return _inventory(document), _examination(document)
    except (KeyError, TypeError, ValueError) as malformed:
        raise Invalid("report", f"is not what Trivy writes: {malformed!r}") from malformed


def _inventory(document: Mapping[str, Any]) -> ImageInventory:
    packages = (_installed(result, one) for result in _results(document) for one in result.get("Packages") or ())
    return ImageInventory(system=_system(document), packages=tuple(packages))


def _results(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [result for result in document.get("Results") or () if result.get("Type")]


def _system(document: Mapping[str, Any]) -> OperatingSystem | None:
    told = (document.get("Metadata") or {}).get("OS") or {}
    return OperatingSystem(family=told["Family"], name=told.get("Name", "")) if told.get("Family") else None


def _installed(result: Mapping[str, Any], one: Mapping[str, Any]) -> Installed:
    package = Package(
        type=result["Type"],
        name=one["Name"],
        version=one.get("Version", ""),
        epoch=one.get("Epoch", 0),
        release=one.get("Release", ""),
        arch=one.get("Arch", ""),
        source_name=one.get("SrcName", ""),
        source_version=one.get("SrcVersion", ""),
        source_epoch=one.get("SrcEpoch", 0),
        source_release=one.get("SrcRelease", ""),
        modularity=one.get("Modularitylabel", ""),
        licenses=tuple(one.get("Licenses") or ()),
        maintainer=one.get("Maintainer", ""),
        path=_path(result, one.get("FilePath", "")),
    )
    return Installed(package=package, layer=_layer(one))


def _path(result: Mapping[str, Any], path: str) -> str:
    """Binaries name their own path as the result's target."""
    if path or result.get("Class") == _OF_SYSTEM:
        return path
    target = str(result.get("Target", ""))
    return target if result["Type"] in ("gobinary", "rustbinary") else ""


def _layer(one: Mapping[str, Any]) -> LayerRef:
    told = one.get("Layer") or {}
    return LayerRef(digest=told.get("Digest", ""), diff_id=told.get("DiffID", "")) if told else _NO_LAYER


def _examination(document: Mapping[str, Any]) -> Examination:
    results = _results(document)
    told = (document.get("Metadata") or {}).get("OS") or {}
    return Examination(
        findings=tuple(_findings(results)),
        # Of a system that it has no advisories for, Trivy lists no result.
        supported=any(result.get("Class") == _OF_SYSTEM for result in results),
        examined=sum(len(result.get("Packages") or ()) for result in results),
        end_of_life=bool(told.get("EOSL")),
    )


def _findings(results: list[Mapping[str, Any]]) -> Iterator[Finding]:
    for result in results:
        for one in result.get("Vulnerabilities") or ():
            yield Finding(
                id=one["VulnerabilityID"],
                vendor_ids=tuple(one.get("VendorIDs") or ()),
                type=result["Type"],
                package=one["PkgName"],
                purl=(one.get("PkgIdentifier") or {}).get("PURL", ""),
                installed=one.get("InstalledVersion", ""),
                fixed=one.get("FixedVersion", ""),
                status=one.get("Status", "unknown"),
                severity=_SEVERITIES[one.get("Severity", "UNKNOWN")],
                severity_source=one.get("SeveritySource", ""),
                source=(one.get("DataSource") or {}).get("ID", ""),
                path=_path(result, one.get("PkgPath", "")),
                layer=_layer(one),
            )
