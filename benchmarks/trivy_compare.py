"""The built-in engine beside Trivy: the same image, the same database, and what only one of them found.

    python -m benchmarks.trivy_compare IMAGE-LAYOUT DATABASE

IMAGE-LAYOUT   a folder with an OCI layout of one image (`index.json`, `blobs/`)
DATABASE       a folder with `trivy.db` and `metadata.json`
CRS_TRIVY      Trivy's path; otherwise it is looked for on the PATH and in the folder of this project's tools

Prints a line for each difference, and nothing where there is none. Ends with 0, or with 1 for differences.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from chalicelib.advisories.database import DATABASE_FILE, METADATA_FILE, Database
from chalicelib.advisories.examination import examine
from chalicelib.advisories.models import Finding
from chalicelib.layers.reading import read_layer
from chalicelib.packages.inspection import LayerInspector
from chalicelib.packages.merging import merge
from chalicelib.packages.models import ImageInventory, LayerInventory, LayerRef

_TOOLS: Final = Path.home() / ".cache" / "crs-tools" / "bin"
_CHUNK: Final = 1 << 20
_QUIETLY: Final = (
    "--skip-db-update",
    "--skip-java-db-update",
    "--offline-scan",
    "--skip-version-check",
    "--disable-telemetry",
    "--scanners=vuln",
    "--list-all-pkgs",
    "--format=json",
    "--cache-backend=memory",
    "--quiet",
)
# Trivy insists on a database of all jars by their digest, for images that hold jars; an empty one knows none.
_JARS: Final = """
CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);
CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT);
"""
Key = tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """What one of them says. findings: by what they are about; packages: type, name, version, path."""

    system: str
    end_of_life: bool
    findings: Mapping[Key, Mapping[str, object]]
    packages: frozenset[Key]


def find_trivy() -> Path | None:
    named = os.environ.get("CRS_TRIVY") or shutil.which("trivy")
    path = Path(named) if named else _TOOLS / "trivy"
    return path if path.is_file() else None


def differences(layout: Path, database: Path, trivy: Path) -> list[str]:
    """One line each, in order."""
    return list(_compared(told_here(layout, database), told_by_trivy(layout, database, trivy)))


def differences_from(layout: Path, database: Path, report: str) -> list[str]:
    """Of a report that Trivy made of this image by this database."""
    return list(_compared(told_here(layout, database), _told_by(json.loads(report))))


def told_here(layout: Path, database: Path) -> Told:
    inventory = inventory_of(layout)
    examination = examine(inventory, Database.open(database), datetime.now(UTC))
    system = inventory.system
    return Told(
        system=f"{system.family} {system.name}" if system else "",
        end_of_life=examination.end_of_life,
        findings={_key_of(one): _shown(one) for one in examination.findings},
        packages=frozenset(
            (one.package.type, one.package.name, one.package.version, one.package.path) for one in inventory.packages
        ),
    )


def inventory_of(layout: Path) -> ImageInventory:
    manifest = _blob(layout, json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])
    config = _blob(layout, manifest["config"]["digest"])
    pairs = zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True)
    return merge(
        [(LayerRef(digest=one["digest"], diff_id=diff_id), _surveyed(layout, one["digest"])) for one, diff_id in pairs]
    )


def told_by_trivy(layout: Path, database: Path, trivy: Path) -> Told:
    with tempfile.TemporaryDirectory() as folder:
        command = trivy_command(layout, database, trivy, Path(folder))
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if ran.returncode:
        raise SystemExit(f"trivy failed: {ran.stderr[-2000:]}")
    return _told_by(json.loads(ran.stdout))


def trivy_command(layout: Path, database: Path, trivy: Path, folder: Path) -> list[str]:
    """folder: for what it keeps; gets a copy of the database."""
    cache = folder / "db"
    cache.mkdir()
    for name in (DATABASE_FILE, METADATA_FILE):
        shutil.copy(database / name, cache / name)
    _without_jars(folder / "java-db")
    return [str(trivy), "image", "--input", str(layout), "--cache-dir", str(folder), *_QUIETLY]


def _without_jars(folder: Path) -> None:
    folder.mkdir()
    with sqlite3.connect(folder / "trivy-java.db") as jars:
        jars.executescript(_JARS)
    never = "2100-01-01T00:00:00Z"
    metadata = {"Version": 1, "NextUpdate": never, "UpdatedAt": never, "DownloadedAt": never}
    (folder / "metadata.json").write_text(json.dumps(metadata))


def _told_by(report: Mapping[str, Any]) -> Told:
    system = report.get("Metadata", {}).get("OS", {})
    results = report.get("Results", [])
    found = [(result, one) for result in results for one in result.get("Vulnerabilities", ())]
    return Told(
        system=f"{system['Family']} {system['Name']}" if system.get("Family") else "",
        end_of_life=system.get("EOSL", False),
        findings={_reported_key(result, one): _reported(one) for result, one in found},
        packages=frozenset(_listed(result, one) for result in results for one in result.get("Packages", ())),
    )


def _compared(ours: Told, theirs: Told) -> Iterator[str]:
    if ours.system != theirs.system or ours.end_of_life != theirs.end_of_life:
        ends = (" (ended)" if told.end_of_life else "" for told in (ours, theirs))
        yield f"system: {ours.system or 'none'}{next(ends)} here, {theirs.system or 'none'}{next(ends)} there"
    for key in sorted(ours.packages ^ theirs.packages):
        yield f"package only {'here' if key in ours.packages else 'there'}: {' '.join(key)}"
    for finding in sorted(ours.findings.keys() ^ theirs.findings.keys()):
        yield f"finding only {'here' if finding in ours.findings else 'there'}: {' '.join(finding)}"
    for finding in sorted(ours.findings.keys() & theirs.findings.keys()):
        one, other = ours.findings[finding], theirs.findings[finding]
        for name in (name for name in one if one[name] != other[name]):
            yield f"{' '.join(finding)}: {name} is {one[name]!r} here, {other[name]!r} there"


def _key_of(finding: Finding) -> Key:
    return (finding.type, finding.id, finding.package, finding.installed, finding.path, finding.purl)


def _reported_key(result: Mapping[str, Any], one: Mapping[str, Any]) -> Key:
    path = one.get("PkgPath") or _path_of(result)
    purl = one.get("PkgIdentifier", {}).get("PURL", "")
    return (result["Type"], one["VulnerabilityID"], one["PkgName"], one["InstalledVersion"], path, purl)


def _path_of(result: Mapping[str, Any]) -> str:
    """A file of several packages, like a Go binary, is the target of its own result. Others stand in one together."""
    together = result["Class"] == "os-pkgs" or result["Target"] in ("Python", "Ruby", "Node.js", "Java", "Conda")
    return "" if together else result["Target"]


def _listed(result: Mapping[str, Any], one: Mapping[str, Any]) -> Key:
    version = one.get("Version", "")
    if result["Class"] == "os-pkgs" and result["Type"] in ("debian", "ubuntu"):
        epoch = f"{one['Epoch']}:" if one.get("Epoch") else ""
        version = epoch + version + (f"-{one['Release']}" if one.get("Release") else "")
    return (result["Type"], one["Name"], version, one.get("FilePath") or _path_of(result))


def _shown(finding: Finding) -> Mapping[str, object]:
    return {
        "fixed": finding.fixed,
        "status": finding.status,
        "severity": finding.severity,
        "severity source": finding.severity_source,
        "data source": finding.source,
        "vendor ids": sorted(finding.vendor_ids),
        "layer": finding.layer.diff_id,
    }


def _reported(one: Mapping[str, Any]) -> Mapping[str, object]:
    return {
        "fixed": one.get("FixedVersion", ""),
        "status": one.get("Status", "unknown"),
        "severity": one["Severity"].lower(),
        "severity source": one.get("SeveritySource", ""),
        "data source": one.get("DataSource", {}).get("ID", ""),
        "vendor ids": sorted(one.get("VendorIDs", ())),
        "layer": one.get("Layer", {}).get("DiffID", ""),
    }


def _blob(layout: Path, digest: str) -> Any:
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())


def _surveyed(layout: Path, digest: str) -> LayerInventory:
    inspector = LayerInspector()
    with (layout / "blobs" / digest.replace(":", "/")).open("rb") as file:
        for entry in read_layer(iter(lambda: file.read(_CHUNK), b"")):
            inspector.look(entry)
    return inspector.finish()


def main() -> None:
    trivy = find_trivy()
    if len(sys.argv) != 3 or trivy is None:
        raise SystemExit(__doc__ if trivy else "trivy is not on this machine: say where it is by CRS_TRIVY")
    found = differences(Path(sys.argv[1]), Path(sys.argv[2]), trivy)
    print(*found, sep="\n", end="\n" if found else "")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
