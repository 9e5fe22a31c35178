"""The real Trivy reads bills of materials made here, and finds in them what it finds in the image itself (S4)."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.trivy_compare import find_trivy, inventory_of
from chalicelib.scanning.bills import bill_of
from chalicelib.scanning.documents import BillFormat, written
from chalicelib.scanning.models import Report
from tests.advisories.layouts import write_layout
from tests.advisories.rows import packed, rows_of, write
from tests.lacking import lacking
from tests.packages.rebuild import SYSTEMS, rebuilt, tar
from tests.shared import trivy_fixtures

from .shelf import DATABASE, DEBIAN, PYTHON

pytestmark = pytest.mark.clients
QUIETLY = (
    "--skip-db-update",
    "--skip-java-db-update",
    "--offline-scan",
    "--skip-version-check",
    "--disable-telemetry",
    "--scanners=vuln",
    "--format=json",
    "--cache-backend=memory",
    "--quiet",
)
FORMATS: tuple[BillFormat, ...] = ("cyclonedx", "spdx")


@pytest.fixture(scope="module")
def trivy() -> Path:
    return find_trivy() or lacking("trivy is not on this machine; .ci/install-clients brings it")


def found(trivy: Path, database: Path, cache: Path, *what: str) -> set[tuple[str, ...]]:
    (cache / "db").mkdir(parents=True, exist_ok=True)
    for file in database.iterdir():
        shutil.copy(file, cache / "db" / file.name)
    ran = subprocess.run(
        [str(trivy), *what, "--cache-dir", str(cache), *QUIETLY], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    results: list[dict[str, Any]] = json.loads(ran.stdout).get("Results", [])
    told = ("VulnerabilityID", "PkgName", "InstalledVersion", "FixedVersion", "Severity", "Status")
    return {
        (result["Class"], *(one.get(name, "") for name in told))
        for result in results
        for one in result.get("Vulnerabilities", ())
    }


def write_bill(layout: Path, form: BillFormat) -> Path:
    report = Report(
        digest=json.loads((layout / "index.json").read_text())["manifests"][0]["digest"],
        platform="linux/amd64",
        engine="",
        database="",
        database_updated_at="",
        scanned_at="",
        supported=True,
        examined=0,
        end_of_life=False,
        layers=(),
        inventory=inventory_of(layout),
        findings=(),
    )
    path = layout.parent / f"{form}.json"
    path.write_text(written(bill_of(report, "library/app", None), form)[1])
    return path


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_trivy_finds_in_the_bill_of_a_real_system_what_it_finds_in_the_system(
    name: str, trivy: Path, tmp_path: Path
) -> None:
    folder = trivy_fixtures()
    database = write(tmp_path / "db", rows_of(sorted((folder / "db").glob("*.yaml"))))
    layout = write_layout(tmp_path / "image", [rebuilt(folder / "packages" / f"{name}.json")])
    expected = found(trivy, database, tmp_path / "cache", "image", "--input", str(layout))
    assert expected
    for form in FORMATS:
        assert found(trivy, database, tmp_path / "cache", "sbom", str(write_bill(layout, form))) == expected, form


@pytest.mark.parametrize("form", FORMATS)
def test_trivy_finds_packages_of_systems_and_languages_in_a_bill(form: BillFormat, trivy: Path, tmp_path: Path) -> None:
    database = write(tmp_path / "db", packed(DATABASE))
    layout = write_layout(tmp_path / "image", [tar(DEBIAN), tar(PYTHON)])
    expected = found(trivy, database, tmp_path / "cache", "image", "--input", str(layout))
    assert {one[1] for one in expected} == {"CVE-2024-0001", "CVE-2024-0002", "CVE-2024-0003"}
    assert found(trivy, database, tmp_path / "cache", "sbom", str(write_bill(layout, form))) == expected
