"""The real Trivy and the built-in engine, same packages of languages and same database."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.trivy_compare import find_trivy
from chalicelib.advisories.database import Database
from chalicelib.advisories.language_matching import match_languages
from chalicelib.packages.models import Installed, LayerRef, Package
from chalicelib.packages.purls import purl
from tests.lacking import lacking

from . import generated_languages
from .rows import packed, write

pytestmark = pytest.mark.clients

_OPTIONS = (
    "--skip-db-update",
    "--skip-java-db-update",
    "--offline-scan",
    "--skip-version-check",
    "--disable-telemetry",
)
Row = tuple[str, ...]


@pytest.mark.parametrize("seed", range(4))
def test_trivy_finds_the_same_in_packages_of_languages_made_up_at_random(seed: int, tmp_path: Path) -> None:
    """S1, S3."""
    trivy = find_trivy() or lacking("trivy is not on this machine; .ci/install-clients brings it")
    database = write(tmp_path / "db", packed(generated_languages.rows(seed)))
    packages = generated_languages.packages()
    sbom = tmp_path / "sbom.json"
    sbom.write_text(json.dumps(_bill(packages)))
    command = [str(trivy), "sbom", str(sbom), "--cache-dir", str(tmp_path), "--cache-backend", "memory", *_OPTIONS]
    report = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, timeout=100)
    assert report.returncode == 0, report.stderr[-2_000:]
    found = _found(packages, Database.open(database))
    assert found == _told(json.loads(report.stdout))
    assert len(found) > 300


def _bill(packages: Iterable[Package]) -> dict[str, object]:
    components = [
        {
            "type": "library",
            "bom-ref": f"{number}",
            "name": each.name.rpartition(":")[2],
            "group": each.name.rpartition(":")[0],
            "version": each.version,
            "purl": purl(each, None),
            "properties": [
                {"name": "aquasecurity:trivy:PkgType", "value": each.type},
                {"name": "aquasecurity:trivy:FilePath", "value": each.path},
            ],
        }
        for number, each in enumerate(packages)
    ]
    whole = {"component": {"type": "container", "name": "an image", "bom-ref": "whole"}}
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": whole, "components": components}


def _found(packages: Iterable[Package], database: Database) -> set[Row]:
    """Names in lower case: Trivy takes them from package URLs here, which have them so for some types."""
    installed = [Installed(package=each, layer=LayerRef(digest="sha256:0")) for each in packages]
    return {
        (
            *(each.id, each.package.lower(), each.installed, each.fixed, each.status),
            *(each.severity.upper(), each.severity_source, each.source, *each.vendor_ids),
        )
        for each in match_languages(installed, database)
    }


def _told(report: dict[str, Any]) -> set[Row]:
    return {
        (
            *(each["VulnerabilityID"], each["PkgName"].lower(), each["InstalledVersion"], each.get("FixedVersion", "")),
            *(each["Status"], each["Severity"], each.get("SeveritySource", ""), each["DataSource"]["ID"]),
            *each.get("VendorIDs", ()),
        )
        for result in report["Results"]
        for each in result.get("Vulnerabilities", [])
    }
