"""The accuracy data: what Trivy reports of ten systems, and this product of the same packages and advisories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib.advisories.database import Database
from chalicelib.advisories.examination import examine
from chalicelib.advisories.fingerprints import SIZE, fingerprint, fingerprints
from chalicelib.advisories.models import Description, Examination, Finding
from chalicelib.packages.models import ImageInventory, Installed, LayerRef, Package
from tests.advisories.rows import rows_of, write
from tests.advisories.systems import SYSTEMS, inventory_of, moment_of, report_of
from tests.shared import trivy_fixtures


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    files = sorted((trivy_fixtures() / "db").glob("*.yaml"))
    return Database.open(write(tmp_path_factory.mktemp("accuracy"), rows_of(files)))


def shown(finding: Finding, text: Description) -> dict[str, Any]:
    """A finding with its texts, in the words of Trivy's report."""
    return {
        "VulnerabilityID": finding.id,
        "VendorIDs": list(finding.vendor_ids),
        "PkgName": finding.package,
        "PkgPath": finding.path,
        "PURL": finding.purl,
        "InstalledVersion": finding.installed,
        "FixedVersion": finding.fixed,
        "Status": finding.status,
        "Severity": finding.severity.upper(),
        "SeveritySource": finding.severity_source,
        "DataSource": finding.source,
        "Layer": {"Digest": finding.layer.digest, "DiffID": finding.layer.diff_id},
        "Title": text.title,
        "Description": text.description,
        "PrimaryURL": text.url,
        "References": list(text.references),
        "CweIDs": list(text.weaknesses),
        "PublishedDate": text.published_at,
        "LastModifiedDate": text.modified_at,
        "Scores": {(rating.by, rating.vector): rating.score for rating in text.ratings},
    }


def wanted(reported: Mapping[str, Any]) -> dict[str, Any]:
    texts = ("VulnerabilityID", "PkgName", "PkgPath", "InstalledVersion", "FixedVersion", "Status", "Severity")
    more = ("SeveritySource", "Title", "Description", "PublishedDate", "LastModifiedDate")
    lists = ("VendorIDs", "References", "CweIDs")
    return {
        **{name: reported.get(name, "") for name in (*texts, *more)},
        **{name: reported.get(name, []) for name in lists},
        "PURL": reported["PkgIdentifier"]["PURL"],
        # Where Trivy has none, the first reference is better than nothing.
        "PrimaryURL": reported.get("PrimaryURL") or reported["References"][0],
        "DataSource": reported.get("DataSource", {}).get("ID", ""),
        "Layer": {"Digest": "", **reported["Layer"]},
        "Scores": {
            (by, given[form + "Vector"]): given[form + "Score"]
            for by, given in reported.get("CVSS", {}).items()
            for form in ("V2", "V3", "V40")
            if form + "Score" in given
        },
    }


def place(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (one["PkgName"], one["VulnerabilityID"], one["PURL"])


def lines_of(examination: Examination, database: Database) -> list[dict[str, Any]]:
    texts = database.describe(finding.id for finding in examination.findings)
    return sorted((shown(finding, texts[finding.id]) for finding in examination.findings), key=place)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_has_the_findings_that_trivy_reports_field_by_field(name: str, database: Database) -> None:
    """S3"""
    folder = trivy_fixtures()
    report = report_of(folder, name)
    inventory = inventory_of(folder, name)

    examination = examine(inventory, database, moment_of(report))

    expected = sorted(map(wanted, report["Results"][0]["Vulnerabilities"]), key=place)
    assert lines_of(examination, database) == expected
    assert examination.supported
    assert examination.examined > len(inventory.packages) - 4  # keys of signatures are no packages
    assert examination.end_of_life == report["Metadata"]["OS"].get("EOSL", False)


@pytest.mark.parametrize("name", ["debian-buster", "ubuntu-1804"])
def test_without_what_has_no_fix_the_same_are_left_as_trivy_leaves(name: str, database: Database) -> None:
    """S3"""
    folder = trivy_fixtures()
    report = report_of(folder, f"{name}-ignore-unfixed")

    examination = examine(inventory_of(folder, name), database, moment_of(report))

    fixed = [one for one in lines_of(examination, database) if one["Status"] == "fixed"]
    assert fixed == sorted(map(wanted, report["Results"][0]["Vulnerabilities"]), key=place)


def test_libraries_of_an_image_stand_beside_what_its_system_has(database: Database) -> None:
    """S3"""
    folder = trivy_fixtures()
    report = report_of(folder, "ubi-7-comprehensive")
    reported = [one for result in report["Results"] for one in result["Vulnerabilities"]]

    examination = examine(_with_library(inventory_of(folder, "ubi-7"), reported[1]), database, moment_of(report))

    assert lines_of(examination, database) == sorted(map(wanted, reported), key=place)


def _with_library(inventory: ImageInventory, reported: Mapping[str, Any]) -> ImageInventory:
    library = Package(
        type="python-pkg",
        name=reported["PkgName"],
        version=reported["InstalledVersion"],
        path=reported["PkgPath"],
    )
    layer = LayerRef(digest=reported["Layer"]["Digest"], diff_id=reported["Layer"]["DiffID"])
    return inventory.model_copy(update={"packages": (*inventory.packages, Installed(package=library, layer=layer))})


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_row_that_a_system_was_matched_with_has_its_number_among_the_image_s(
    name: str, database: Database
) -> None:
    """S4"""
    inventory = inventory_of(trivy_fixtures(), name)
    numbers = fingerprints(inventory)
    of_image = {numbers[at : at + SIZE] for at in range(0, len(numbers), SIZE)}
    reported = {one["PkgName"] for one in report_of(trivy_fixtures(), name)["Results"][0]["Vulnerabilities"]}

    found = {package for platform, package, _ in database.rows() if _number(platform, package) in of_image}

    concerned = [one.package for one in inventory.packages if one.package.name in reported]
    assert len(numbers) == SIZE * len(of_image)
    assert all(found & {package.name, package.source_name} for package in concerned)
    assert "" in found  # the platform's own row


def _number(platform: str, package: str) -> bytes:
    return fingerprint(platform, package).to_bytes(SIZE)
